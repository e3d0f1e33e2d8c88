import type { Memory } from "@penguiflow/memory-service";
import { type MemoryServer, serveMemory } from "@penguiflow/memory-service/http";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, vi } from "vitest";
import { openBrowser } from "../../../packages/playground/test-browser/browser.ts";
import { openHousehold } from "./household.ts";

/** Settings of a stage. */
export interface StageSettings {
  /** @defaultValue that of {@link openHousehold} */
  readonly memory?: Memory;
  /** Whether the server wants keys; the page is then not signed in. */
  readonly keys?: boolean;
}

/** A memory that is served, and a browser of its own that is signed in as ada. */
export interface Stage {
  readonly memory: Memory;
  readonly server: MemoryServer;
  /** The fragments of the household, in the order in which they were said. */
  readonly ids: readonly string[];
  readonly context: BrowserContext;
  readonly page: Page;
  /** Errors that a page threw or logged, breaches of its policy included. */
  readonly complaints: string[];
  /** Requests that went anywhere but to the server. */
  readonly strayed: string[];
  /** Goes to a screen by its address. */
  readonly go: (hash: string) => Promise<void>;
}

/** Opens stages for the stories of a file, and closes them after each. */
export function useStages(): (settings?: StageSettings) => Promise<Stage> {
  // real time only ends what hangs: a loaded machine is slow
  vi.setConfig({ testTimeout: 300_000, hookTimeout: 120_000 });
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
  return async ({ keys = false, ...settings } = {}) => {
    if (browser === undefined) throw new Error("The browser is not open");
    const { memory, ids } =
      settings.memory === undefined ? await openHousehold() : { memory: settings.memory, ids: [] };
    ends.push(() => memory.close());
    const server = await serveMemory(memory, keys ? { keys } : { principal: { tenant: "local", user: "ada" } });
    ends.push(() => server.close({ drainMs: 0 }));
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, reducedMotion: "reduce" });
    ends.push(() => context.close());
    context.setDefaultTimeout(120_000);
    const complaints: string[] = [];
    const strayed: string[] = [];
    context.on("request", (request) => {
      if (!request.url().startsWith(`${server.url}/`)) strayed.push(request.url());
    });
    context.on("weberror", (error) => complaints.push(`The page throws: ${error.error().message}`));
    context.on("console", (line) => line.type() === "error" && complaints.push(`The page logs: ${line.text()}`));
    const page = await context.newPage();
    await page.goto(server.pageUrl);
    await page.getByRole("heading", { level: 1 }).waitFor();
    const go = async (hash: string): Promise<void> => {
      await page.goto(`${server.url}/${hash}`);
      await page.locator('[aria-busy="true"]').first().waitFor({ state: "detached" });
    };
    return { memory, server, ids, context, page, complaints, strayed, go };
  };
}
