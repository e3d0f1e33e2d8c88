import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, inject } from "vitest";
import type { Load } from "../test/load/lifelike-flow.ts";
import { openBrowser, openPage, type PageSettings } from "./browser.ts";
import { type FakeServer, startFakeServer } from "./fake-server.ts";

/** Settings of a page over a server with a lifelike flow and generated runs. */
export interface FakeSettings extends PageSettings {
  readonly load?: Partial<Load>;
  /** Number of runs in the list. @defaultValue 240 */
  readonly runs?: number;
}

/** A page of the fake server. */
export interface FakeStage {
  readonly page: Page;
  readonly server: FakeServer;
  /** Errors that the page threw or logged. */
  readonly complaints: string[];
  /** Reads the address without its origin. */
  readonly address: () => string;
}

/** Opens pages over a fake server of their own, and closes both after each story. */
export function useFakes(): (path: string, settings?: FakeSettings) => Promise<FakeStage> {
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
  return async (path, settings = {}) => {
    if (browser === undefined) throw new Error("The browser is not open");
    const server = await startFakeServer(inject("pages"), settings.load ?? { perSecond: 20 }, settings.runs);
    ends.push(() => server.close());
    const { page, complaints } = await openPage(browser, `${server.url}${path}`, settings);
    ends.push(() => page.close());
    await page.locator('[data-state="live"]').first().waitFor({ state: "attached" });
    return { page, server, complaints, address: () => page.url().slice(server.url.length) };
  };
}
