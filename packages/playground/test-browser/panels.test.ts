import { expect, test } from "vitest";
import { useStages } from "./stage.ts";
import { expectGoodLook } from "./good-look.ts";

const stage = useStages({ runs: 240, load: { perSecond: 20 } });
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

test.for(PANELS)("%s: axe finds nothing in either theme, 360 pixels are enough, and it has one h1", async (panel) => {
  const [, path, shown] = panel;
  const { page, complaints } = await stage({ path });
  await page.locator(shown).first().waitFor({ state: "attached" });
  await expectGoodLook(page);
  expect(complaints).toEqual([]);
});
