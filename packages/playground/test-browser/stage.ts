import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, inject } from "vitest";
import { startScriptedServer, type ScriptedServer } from "../test/scripted-server/server.ts";
import { openBrowser } from "./browser.ts";

/** Settings of a stage. */
export interface StageSettings {
  readonly theme?: "light" | "dark";
  readonly width?: number;
  readonly height?: number;
  /** Real milliseconds for each one of a script. @defaultValue 0.05 */
  readonly pace?: number;
}

/** A scripted server, and a browser of its own that is signed in. */
export interface Stage {
  readonly server: ScriptedServer;
  readonly context: BrowserContext;
  readonly page: Page;
  /** Errors that a page threw or logged. */
  readonly complaints: string[];
  /** Requests that went anywhere but to the server. */
  readonly strayed: string[];
  /** Opens a path of the pages. */
  readonly open: (path: string) => Promise<void>;
  /** Says something in the chat. */
  readonly say: (text: string) => Promise<void>;
}

/** Opens stages for the stories of a file, and closes them after each. */
export function useStages(): (settings?: StageSettings) => Promise<Stage> {
  let browser: Browser | undefined;
  const ends: (() => Promise<void>)[] = [];
  beforeAll(async () => {
    browser = await openBrowser();
    if (browser === undefined) throw new Error("Chromium is missing: run `npm run e2e`, which says how to install it");
  });
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });
  afterAll(async () => {
    await browser?.close();
  });
  return async (settings = {}) => {
    if (browser === undefined) throw new Error("The browser is not open");
    const server = await startScriptedServer({ folder: inject("pages"), pace: settings.pace ?? 0.05 });
    ends.push(() => server.stop());
    const { width = 1440, height = 900, theme = "light" } = settings;
    const context = await browser.newContext({
      viewport: { width, height },
      colorScheme: theme,
      reducedMotion: "reduce",
    });
    ends.push(() => context.close());
    const complaints: string[] = [];
    const strayed: string[] = [];
    context.on("request", (request) => {
      if (!request.url().startsWith(server.origin) && !request.url().startsWith("data:")) strayed.push(request.url());
    });
    context.on("weberror", (error) => complaints.push(`The page throws: ${error.error().message}`));
    context.on("console", (line) => line.type() === "error" && complaints.push(`The page logs: ${line.text()}`));
    const page = await context.newPage();
    const open = async (path: string): Promise<void> => {
      await page.goto(`${server.origin}${path}`);
      await page.locator('[data-state="live"]').first().waitFor({ state: "attached" });
    };
    await open(`/#token=${server.token}`);
    return {
      server,
      context,
      page,
      complaints,
      strayed,
      open,
      say: async (text) => {
        await page.getByRole("textbox", { name: /^(Message|Steer)/ }).fill(text);
        await page.keyboard.press("Enter");
      },
    };
  };
}

/** Waits for a text of the page. */
export async function see(page: Page, text: string | RegExp): Promise<void> {
  await page.getByText(text).first().waitFor();
}
