// Takes the pictures of the guide: the chat and a live flow, light and dark.
// node --conditions=@penguiflow/source packages/playground/test-browser/pictures.ts
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Browser } from "playwright-core";
import { buildPage } from "../../../scripts/build-page.ts";
import { root } from "../../../scripts/workspace.ts";
import { startScriptedServer } from "../test/scripted-server/server.ts";
import { openBrowser, openPage } from "./browser.ts";
import { startFakeServer } from "./fake-server.ts";

const size = { width: 1280, height: 800 };
const themes = ["light", "dark"] as const;
const target = (name: string): string => path.join(root, "docs/pictures", `playground-${name}.png`);

async function takeChat(browser: Browser, folder: string): Promise<void> {
  for (const theme of themes) {
    const server = await startScriptedServer({ folder, pace: 1 });
    const { page } = await openPage(browser, `${server.origin}/#token=${server.token}`, { ...size, theme });
    await page.getByRole("textbox", { name: "Message support" }).fill("Where is order 4471? I want my money back.");
    await page.keyboard.press("Enter");
    await page.locator(".approval").waitFor();
    await page.locator('.node[data-look="paused"]').waitFor();
    await page.screenshot({ path: target(`chat-${theme}`) });
    await page.close();
    await server.stop();
  }
}

async function takeFlow(browser: Browser, folder: string): Promise<void> {
  for (const theme of themes) {
    const server = await startFakeServer(folder, { perSecond: 55 });
    const { page } = await openPage(browser, `${server.url}/flows/wide`, { ...size, theme });
    // the pipes fill first
    await page.locator('.edge[data-pressure="full"]').nth(5).waitFor({ timeout: 90_000 });
    await page.screenshot({ path: target(`flow-${theme}`) });
    await page.close();
    await server.close();
  }
}

const folder = mkdtempSync(path.join(tmpdir(), "penguiflow-pictures-"));
const browser = await openBrowser();
if (browser === undefined) throw new Error("Cannot take pictures: Chromium is missing");
try {
  await buildPage(folder);
  await takeChat(browser, folder);
  await takeFlow(browser, folder);
} finally {
  await browser.close();
  rmSync(folder, { recursive: true });
}
