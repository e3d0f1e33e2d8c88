// Takes the pictures of the README and the guide: the chat and a live flow, light and dark.
// node --conditions=@penguiflow/source packages/playground/test-browser/pictures.ts
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Page } from "playwright-core";
import { buildPage } from "../../../scripts/build-page.ts";
import { root } from "../../../scripts/workspace.ts";
import { ingestGraph } from "../test/scripted-server/flows.ts";
import type { World } from "../test/scripted-server/world.ts";
import { openBrowser } from "./browser.ts";
import { Pictures } from "./screens/pictures.ts";
import { openStage, type StageSettings } from "./stage.ts";

const folder = mkdtempSync(path.join(tmpdir(), "penguiflow-pictures-"));
const browser = await openBrowser();
const pictures = await Pictures.open(browser);
try {
  await buildPage(folder);
  await take("chat", {}, async (page) => {
    await page.getByRole("textbox", { name: "Message support" }).fill("Where is order 4471? I want my money back.");
    await page.keyboard.press("Enter");
    await page.locator(".approval").waitFor();
    await page.locator('.node[data-look="paused"]').waitFor();
  });
  const load = { flow: "ingest", graph: ingestGraph, perSecond: 24, slow: { embed: 1_400, keywords: 120, rank: 90 } };
  await take("flow", { path: "/flows/ingest", load, isMotionReduced: false }, async (page, world) => {
    await page.locator('[data-node="parse"]').waitFor();
    // the pipes fill first, and figures of a second settle
    for (let frame = 0; frame < 240; frame += 1) world.playFrame();
    await page.waitForTimeout(4_000);
  });
} finally {
  await browser.close();
  rmSync(folder, { recursive: true });
}

async function take(
  name: string,
  settings: StageSettings,
  prepare: (page: Page, world: World) => Promise<void>,
): Promise<void> {
  for (const theme of ["light", "dark"] as const) {
    await using stage = await openStage(browser, folder, { ...settings, width: 1180, height: 720, theme });
    await prepare(stage.page, stage.server.world);
    const picture = await pictures.join([await stage.page.screenshot()]);
    writeFileSync(path.join(root, "docs/pictures", `playground-${name}-${theme}.png`), picture);
  }
}
