// The main screens look as their kept pictures do, light at the left and dark at the right. `npm run e2e -- screens
// --update` takes the pictures anew.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { root } from "../../../../scripts/workspace.ts";
import { useBrowser } from "../browser.ts";
import { type Stage, useStages } from "../stage.ts";
import { Pictures } from "./pictures.ts";
import { SCREENS } from "./stories.ts";

/** Part of a picture that may differ: another font changes 2 %, a broken layout 10 %. */
const TOLERANCE = 0.04;
const KEPT = path.join(import.meta.dirname, "kept");
const SEEN = path.join(root, ".scratch/screens");

const browser = useBrowser();
const at = Date.UTC(2026, 0, 5, 9, 30);
const stage = useStages({ width: 1280, height: 800, scale: 0.5, pace: 0.01, runs: 240, at });

async function take({ page }: Stage, pictures: Pictures): Promise<Buffer> {
  const taken: Buffer[] = [];
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    taken.push(await page.screenshot());
  }
  return await pictures.join(taken);
}

const kept = (name: string): string => path.join(KEPT, `${name}.png`);

test.for(SCREENS.map((screen) => [screen.name, screen] as const))(
  "%s looks as its kept picture, light and dark",
  async ([name, screen]) => {
    await using pictures = await Pictures.open(browser());
    const opened = await stage(screen.settings);
    await screen.prepare(opened);
    const picture = await take(opened, pictures);
    if (process.env["UPDATE_SCREENS"] === "true") writeFileSync(kept(name), picture);
    const difference = existsSync(kept(name)) ? await pictures.difference(picture, readFileSync(kept(name))) : 1;
    if (difference > TOLERANCE) {
      mkdirSync(SEEN, { recursive: true });
      writeFileSync(path.join(SEEN, `${name}.png`), picture);
    }
    expect(difference, `Part of ${kept(name)} that differs from .scratch/screens/${name}.png`).toBeLessThanOrEqual(
      TOLERANCE,
    );
  },
);

test("another font is no difference, a broken layout is one: a higher head, a rail below the page, a lost theme", async () => {
  await using pictures = await Pictures.open(browser());
  const { settings, prepare } = SCREENS.find(({ name }) => name === "runs")!;
  const opened = await stage(settings);
  await prepare(opened);
  const differenceWith = async (style: string): Promise<number> => {
    const sheet = JSON.stringify(style);
    await opened.page.evaluate(
      `(async () => document.adoptedStyleSheets = [await new CSSStyleSheet().replace(${sheet})])()`,
    );
    return await pictures.difference(await take(opened, pictures), readFileSync(kept("runs")));
  };
  expect(await differenceWith("* { font-family: monospace, serif; letter-spacing: -0.08em }")).toBeLessThan(TOLERANCE);
  expect(await differenceWith(".head { padding-block: 40px !important }")).toBeGreaterThan(TOLERANCE);
  expect(await differenceWith(":has(> .main) { display: block !important }")).toBeGreaterThan(TOLERANCE);
  expect(await differenceWith(":root { color-scheme: light !important }")).toBeGreaterThan(TOLERANCE);
});
