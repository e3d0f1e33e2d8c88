// Takes the pictures of the guide: the chat and a live flow, light and dark.
// node --conditions=@penguiflow/source packages/playground/test-browser/pictures.ts
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Page } from "playwright-core";
import { buildPage } from "../../../scripts/build-page.ts";
import { root } from "../../../scripts/workspace.ts";
import { openBrowser } from "./browser.ts";
import { openStage, type StageSettings } from "./stage.ts";

const folder = mkdtempSync(path.join(tmpdir(), "penguiflow-pictures-"));
const browser = await openBrowser();
try {
  await buildPage(folder);
  await take("chat", {}, async (page) => {
    await page.getByRole("textbox", { name: "Message support" }).fill("Where is order 4471? I want my money back.");
    await page.keyboard.press("Enter");
    await page.locator(".approval").waitFor();
    await page.locator('.node[data-look="paused"]').waitFor();
  });
  await take("flow", { path: "/flows/wide", load: { perSecond: 55 }, isMotionReduced: false }, async (page) => {
    // the pipes fill first
    await page.locator('.edge[data-pressure="full"]').nth(5).waitFor({ timeout: 90_000 });
  });
} finally {
  await browser.close();
  rmSync(folder, { recursive: true });
}

async function take(name: string, settings: StageSettings, prepare: (page: Page) => Promise<void>): Promise<void> {
  for (const theme of ["light", "dark"] as const) {
    await using stage = await openStage(browser, folder, { ...settings, width: 1280, height: 800, theme });
    await prepare(stage.page);
    await stage.page.screenshot({ path: path.join(root, "docs/pictures", `playground-${name}-${theme}.png`) });
  }
}
