import type { Browser, Page } from "playwright-core";
import { afterEach, inject } from "vitest";
import { type ScriptedServer, startScriptedServer, TOKEN } from "../test/scripted-server/server.ts";
import type { WorldOptions } from "../test/scripted-server/world.ts";
import { openPage, type OpenPage, type PageSettings, useBrowser } from "./browser.ts";

/** Settings of a stage. */
export interface StageSettings extends WorldOptions, PageSettings {
  /** Path of the first page. @defaultValue "/" */
  readonly path?: string;
}

/** A scripted server, and a browser of its own that is signed in. */
export interface Stage extends OpenPage, AsyncDisposable {
  readonly server: ScriptedServer;
  /** Opens a path of the pages. */
  readonly open: (path: string) => Promise<void>;
  /** Says something in the chat. */
  readonly say: (text: string) => Promise<void>;
  /** Reads the address without its origin. */
  readonly address: () => string;
}

/** Opens stages for the stories of a file, and closes them after each. Settings of a stage win over `common`. */
export function useStages(common: StageSettings = {}): (settings?: StageSettings) => Promise<Stage> {
  const browser = useBrowser();
  const opened: Stage[] = [];
  afterEach(async () => {
    for (const stage of opened.splice(0)) await stage[Symbol.asyncDispose]();
  });
  return async (settings) => {
    const stage = await openStage(browser(), inject("pages"), { pace: 0.05, ...common, ...settings });
    opened.push(stage);
    return stage;
  };
}

/** Opens a stage over a folder of built pages. */
export async function openStage(browser: Browser, folder: string, settings: StageSettings): Promise<Stage> {
  const server = await startScriptedServer({ folder, ...settings });
  const opened = await openPage(browser, server.origin, settings);
  const { page, context } = opened;
  if (settings.at !== undefined) await context.clock.setFixedTime(settings.at);
  await context.addCookies([{ name: "penguiflow", value: TOKEN, url: server.origin, sameSite: "Strict" }]);
  const open = async (path: string): Promise<void> => {
    await page.goto(`${server.origin}${path}`);
    await page.locator('[data-state="live"]').first().waitFor({ state: "attached" });
  };
  await open(settings.path ?? "/");
  return {
    ...opened,
    server,
    open,
    say: async (text) => {
      await page.getByRole("textbox", { name: /^(Message|Steer)/ }).fill(text);
      await page.keyboard.press("Enter");
    },
    address: () => page.url().slice(server.origin.length),
    async [Symbol.asyncDispose]() {
      await context.close();
      await server.stop();
    },
  };
}

/** Waits for a text of the page. */
export async function see(page: Page, text: string | RegExp): Promise<void> {
  await page.getByText(text).first().waitFor();
}
