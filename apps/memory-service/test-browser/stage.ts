import type { Memory } from "@penguiflow/memory-service";
import { type MemoryServer, serveMemory } from "@penguiflow/memory-service/http";
import { afterEach, vi } from "vitest";
import { openPage, type OpenPage, useBrowser } from "../../../packages/playground/test-browser/browser.ts";
import { openHousehold } from "./household.ts";

/** Settings of a stage. */
export interface StageSettings {
  /** @defaultValue that of {@link openHousehold} */
  readonly memory?: Memory;
  /** Whether the server wants keys; the page is then not signed in. */
  readonly keys?: boolean;
}

/** A memory that is served, and a browser of its own that is signed in as ada. */
export interface Stage extends OpenPage {
  readonly memory: Memory;
  readonly server: MemoryServer;
  /** The fragments of the household, in the order in which they were said. */
  readonly ids: readonly string[];
  /** Goes to a screen by its address. */
  readonly go: (hash: string) => Promise<void>;
}

/** Opens stages for the stories of a file, and closes them after each. */
export function useStages(): (settings?: StageSettings) => Promise<Stage> {
  // real time only ends what hangs: a loaded machine is slow
  vi.setConfig({ testTimeout: 300_000, hookTimeout: 120_000 });
  const browser = useBrowser();
  const ends: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });
  return async ({ keys = false, ...settings } = {}) => {
    const { memory, ids } =
      settings.memory === undefined ? await openHousehold() : { memory: settings.memory, ids: [] };
    ends.push(() => memory.close());
    const server = await serveMemory(memory, keys ? { keys } : { principal: { tenant: "local", user: "ada" } });
    ends.push(() => server.close({ drainMs: 0 }));
    const opened = await openPage(browser(), server.url);
    const { context, page } = opened;
    ends.push(() => context.close());
    context.setDefaultTimeout(120_000);
    await page.goto(server.pageUrl);
    await page.getByRole("heading", { level: 1 }).waitFor();
    const go = async (hash: string): Promise<void> => {
      await page.goto(`${server.url}/${hash}`);
      await page.locator('[aria-busy="true"]').first().waitFor({ state: "detached" });
    };
    return { ...opened, memory, server, ids, go };
  };
}
