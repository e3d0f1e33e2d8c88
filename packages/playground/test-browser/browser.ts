import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";
import { afterAll, beforeAll } from "vitest";
import { findChromium } from "../../../scripts/chromium.ts";

/** Flags of a browser that renders by software, knows no network but this machine, and can collect garbage. */
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
  "--js-flags=--expose-gc",
];

/**
 * Opens Chromium.
 *
 * @throws Error when it is not installed
 */
export async function openBrowser(): Promise<Browser> {
  const executablePath = findChromium();
  if (executablePath === undefined) {
    throw new Error("Cannot open Chromium: it is missing; `npm run e2e` installs it or says how");
  }
  return await chromium.launch({ executablePath, args: FLAGS });
}

/** Opens Chromium for the stories of a file. @returns a function that gives it */
export function useBrowser(): () => Browser {
  let browser: Browser | undefined;
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(async () => {
    await browser?.close();
  });
  return () => {
    if (browser === undefined) throw new Error("The browser is not open");
    return browser;
  };
}

/** Settings of a page under test. */
export interface PageSettings {
  /** @defaultValue "light" */
  readonly theme?: "light" | "dark";
  /** @defaultValue 1440 */
  readonly width?: number;
  /** @defaultValue 900 */
  readonly height?: number;
  /** Pixels of a picture for each one of the page. @defaultValue 1 */
  readonly scale?: number;
  /** @defaultValue true */
  readonly isMotionReduced?: boolean;
}

/** A page, and what is wrong with it. */
export interface OpenPage {
  readonly context: BrowserContext;
  readonly page: Page;
  /** Errors that a page threw or logged. */
  readonly complaints: string[];
  /** Requests that went anywhere but to the server. */
  readonly strayed: string[];
}

/** Opens an empty page with cookies of its own, which is meant for one server. */
export async function openPage(browser: Browser, origin: string, settings: PageSettings = {}): Promise<OpenPage> {
  const { theme = "light", width = 1440, height = 900, isMotionReduced = true, scale = 1 } = settings;
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: theme,
    reducedMotion: isMotionReduced ? "reduce" : "no-preference",
    deviceScaleFactor: scale,
    locale: "en-GB",
    timezoneId: "UTC",
  });
  const complaints: string[] = [];
  const strayed: string[] = [];
  context.on("request", (request) => {
    if (!request.url().startsWith(origin) && !request.url().startsWith("data:")) strayed.push(request.url());
  });
  context.on("weberror", (error) => complaints.push(`The page throws: ${error.error().message}`));
  context.on("console", (line) => line.type() === "error" && complaints.push(`The page logs: ${line.text()}`));
  return { context, page: await context.newPage(), complaints, strayed };
}
