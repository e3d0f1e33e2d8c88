import axe from "axe-core";
import type { Page } from "playwright-core";
import { expect } from "vitest";

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
}

/** Boxes that scroll sideways. */
const TOO_WIDE = `[...document.querySelectorAll(".main, .head")].filter((box) => box.scrollWidth > box.clientWidth + 1).length`;

/** Expects that axe finds nothing on the page in either theme, that 360 pixels are enough for it, and one h1. */
export async function expectGoodLook(page: Page): Promise<void> {
  await page.evaluate(axe.source);
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    expect([colorScheme, await findings(page)]).toEqual([colorScheme, []]);
  }
  await page.setViewportSize({ width: 360, height: 780 });
  expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(360);
  expect(await page.evaluate(TOO_WIDE)).toBe(0);
  expect(await page.locator("h1").count()).toBe(1);
}

/** Lists what axe finds on the page. */
async function findings(page: Page): Promise<string[]> {
  const violations = await page.evaluate<readonly Violation[]>(
    `axe.run(document, { resultTypes: ["violations"] }).then((found) => found.violations)`,
  );
  return violations.flatMap(({ id, nodes }) =>
    nodes.map((node) => `${id}: ${node.html.slice(0, 160)} ${node.failureSummary}`),
  );
}
