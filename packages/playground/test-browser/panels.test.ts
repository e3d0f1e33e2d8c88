import { describe, expect, test } from "vitest";
import { findings } from "./axe-findings.ts";
import { useFakes } from "./fake-stage.ts";

const open = useFakes();
const RUN = "/runs/support/run-1";

/** Screens of flows and runs, each with an element that has to be there before it is looked at. */
const PANELS: readonly (readonly [name: string, path: string, shown: string])[] = [
  ["the list of flows", "/flows", ".flow-card"],
  ["a flow, live", "/flows/wide", ".event-row"],
  ["a node of a flow", "/flows/wide?node=merge-1", ".drawer .facts"],
  ["a flow as a table", "/flows/wide?show=table", ".drawer tbody"],
  ["the tenants of a flow", "/flows/wide?show=tenants", ".tenant-bar"],
  ["the form of a flow", "/flows/support?show=send", ".send-form"],
  ["the list of runs", "/runs", ".run-row"],
  ["no run", "/runs?q=nothing-is-like-this", ".empty"],
  ["a run", RUN, ".bar-row"],
  ["a step", `${RUN}?step=orders.1`, ".message-head"],
  ["model calls", `${RUN}?tab=model`, ".model-call"],
  ["records", `${RUN}?tab=events`, ".record-row"],
  ["an earlier moment", `${RUN}?at=9`, ".travel-list"],
  ["run again", `${RUN}?step=refund.1&panel=again`, ".inspector-form textarea"],
  ["make a test", `${RUN}?panel=test`, ".proof"],
  ["two runs", "/compare?a=support/run-1&b=support/run-2", ".compare-rows tbody"],
  ["what to compare", "/compare?a=support/run-1", ".run-picker label"],
  ["simulations", "/simulate", ".simulate-form option"],
];

describe.for(["light", "dark"] as const)("in the %s theme", (theme) => {
  test.for(PANELS)("axe finds nothing on %s", async ([, path, shown]) => {
    const { page, complaints } = await open(path, { theme, isMotionReduced: true });
    await page.locator(shown).first().waitFor({ state: "attached" });
    expect(await findings(page)).toEqual([]);
    expect(complaints).toEqual([]);
  });
});

test.for(PANELS)("%s fits 360 pixels, and has one h1", async ([, path, shown]) => {
  const { page } = await open(path, { width: 360, height: 780 });
  await page.locator(shown).first().waitFor({ state: "attached" });
  expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(360);
  expect(await page.locator("h1").count()).toBe(1);
});
