// Takes the pictures of the page: that of the README, and with a folder every screen in each look.
// node --conditions=@penguiflow/source apps/memory-service/test-browser/pictures.ts [folder]
import { mkdirSync } from "node:fs";
import path from "node:path";
import { serveMemory } from "@penguiflow/memory-service/http";
import { openBrowser, openPage } from "../../../packages/playground/test-browser/browser.ts";
import { root } from "../../../scripts/workspace.ts";
import { openHousehold } from "./household.ts";

const LOOKS = [
  { look: "light", theme: "light", width: 1280, height: 820 },
  { look: "dark", theme: "dark", width: 1280, height: 820 },
  { look: "narrow", theme: "light", width: 360, height: 780 },
] as const;

type Look = Omit<(typeof LOOKS)[number], "height"> & { readonly height: number };

const browser = await openBrowser();
const { memory, ids } = await openHousehold();
const server = await serveMemory(memory, { principal: { tenant: "local", user: "ada" } });
const ask = `#/ask?q=${encodeURIComponent("What is the code of the gate?")}&limit=4&maxTokens=2000`;
const [folder] = process.argv.slice(2);
const screens = { memories: "#/memories", memory: `#/memory/${ids[0]}`, ask, queue: "#/queue", flows: "#/flows" };
try {
  const take = async (file: string, hash: string, look: Look, isFull = false): Promise<void> => {
    const { context, page, complaints } = await openPage(browser, server.url, look);
    await page.goto(server.pageUrl);
    await page.getByRole("heading", { level: 1, name: "Memories" }).waitFor();
    await page.goto(`${server.url}/${hash}`);
    await page.waitForLoadState("networkidle");
    if (isFull) {
      const height = await page.evaluate<number>("document.querySelector('.screen')?.scrollHeight ?? 0");
      await page.setViewportSize({ width: look.width, height: Math.max(look.height, height + 110) });
    }
    await page.screenshot({ path: file });
    if (complaints.length > 0) process.stderr.write(`${file}: ${complaints.join("; ")}\n`);
    await context.close();
  };
  if (folder === undefined) {
    await take(path.join(root, "docs/pictures/memory-ask.png"), screens.ask, { ...LOOKS[0], height: 1_100 });
  } else {
    mkdirSync(folder, { recursive: true });
    for (const look of LOOKS)
      for (const [name, hash] of Object.entries(screens))
        await take(path.join(folder, `${name}-${look.look}.png`), hash, look, true);
  }
} finally {
  await browser.close();
  await server.close();
  await memory.close();
}
