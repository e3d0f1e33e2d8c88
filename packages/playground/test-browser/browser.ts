import { chromium, type Browser, type Page } from "playwright-core";
import { findChromium } from "../../../scripts/chromium.ts";

const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];

/** Opens Chromium, or returns `undefined` where it is not installed. */
export async function openBrowser(): Promise<Browser | undefined> {
  const executablePath = findChromium();
  return executablePath === undefined
    ? undefined
    : await chromium.launch({ executablePath, args: [...FLAGS, "--js-flags=--expose-gc"] });
}

/** Settings of a page under test. */
export interface PageSettings {
  readonly theme?: "light" | "dark";
  readonly width?: number;
  readonly height?: number;
  readonly isMotionReduced?: boolean;
}

/** A page, and the errors that it has reported. */
export interface OpenPage {
  readonly page: Page;
  readonly complaints: string[];
}

/** Opens an address of the pages, and notes each error that it throws or logs. */
export async function openPage(browser: Browser, url: string, settings: PageSettings = {}): Promise<OpenPage> {
  const { theme = "light", width = 1440, height = 900, isMotionReduced = false } = settings;
  const page = await browser.newPage({
    viewport: { width, height },
    colorScheme: theme,
    reducedMotion: isMotionReduced ? "reduce" : "no-preference",
  });
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(`The page throws: ${error.message}`));
  page.on("console", (line) => line.type() === "error" && complaints.push(`The page logs: ${line.text()}`));
  await page.goto(url);
  return { page, complaints };
}
