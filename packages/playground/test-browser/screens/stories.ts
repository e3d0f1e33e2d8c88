import { see, type Stage, type StageSettings } from "../stage.ts";

/** A screen to be looked at: where it is, and what has to happen before. */
export interface Screen {
  readonly name: string;
  readonly settings?: StageSettings;
  readonly prepare: (stage: Stage) => Promise<void>;
}

const REFUND = "Where is order 4471? I want my money back.";
const RUN = "/runs/support/run-1";

/** Waits for an element, which may be hidden. */
const shown = async ({ page }: Stage, selector: string): Promise<void> =>
  page.locator(selector).first().waitFor({ state: "attached" });

/** The main screens, each at a moment that is always the same. */
export const SCREENS: readonly Screen[] = [
  {
    name: "chat",
    prepare: async (stage) => {
      await stage.say(REFUND);
      await shown(stage, ".approval");
      await shown(stage, '.node[data-look="paused"]');
      await stage.page.locator(".main").click({ position: { x: 5, y: 5 } });
    },
  },
  {
    name: "approvals",
    prepare: async (stage) => {
      const { world } = stage.server;
      for (const text of [REFUND, "Refund order 88"]) world.say(world.newThread("support"), text);
      await stage.page.locator('.rail [href="/approvals"]', { hasText: "2" }).waitFor();
      await stage.open("/approvals");
      await stage.page.locator(".approval").nth(1).waitFor();
    },
  },
  {
    name: "threads",
    prepare: async (stage) => {
      const { world } = stage.server;
      for (const text of [REFUND, "What can you do?", "Please fail"]) world.say(world.newThread("support"), text);
      await stage.open("/threads");
      await see(stage.page, "failed");
      await stage.page.locator(".row", { hasText: "completed" }).waitFor();
      await stage.page.locator(".row", { hasText: "paused" }).waitFor();
    },
  },
  { name: "runs", settings: { path: "/runs" }, prepare: async (stage) => shown(stage, ".run-row") },
  {
    name: "run",
    settings: { path: `${RUN}?step=orders.1` },
    prepare: async (stage) => shown(stage, ".message-head"),
  },
  {
    name: "flow",
    settings: { path: "/flows/wide", load: { perSecond: 55 } },
    prepare: async (stage) => {
      const { world } = stage.server;
      await shown(stage, '[data-node="parse-1"]');
      for (let frame = 0; frame < 300; frame += 1) world.playFrame();
      await stage.page.locator(".figures", { hasText: String(world.loaded.stats().traces) }).waitFor();
      await shown(stage, '.edge[data-pressure="full"]');
      await shown(stage, ".event-row");
    },
  },
  {
    name: "tools",
    settings: { path: "/tools/support/refund.pay" },
    prepare: async ({ page }) => see(page, "Call refund.pay"),
  },
  {
    name: "memory",
    prepare: async ({ page, server, open }) => {
      const thread = server.world.newThread("support");
      server.world.say(thread, "About penguins");
      await open(`/threads/${thread.id}/memory`);
      await see(page, "of 800");
    },
  },
  { name: "lint", settings: { path: "/lint" }, prepare: async ({ page }) => see(page, "Does not apply …") },
  {
    name: "compare",
    settings: { path: "/compare?a=support/run-1&b=support/run-2" },
    prepare: async (stage) => shown(stage, ".compare-rows tbody"),
  },
  {
    name: "simulate",
    settings: { path: "/simulate" },
    prepare: async ({ page }) => {
      await page.getByRole("spinbutton", { name: "Seeds" }).fill("300");
      await page.getByRole("button", { name: "Simulate" }).click();
      await see(page, "300 of 300 seeds, 3 failed");
    },
  },
  {
    name: "overlay",
    prepare: async ({ page, server }) => {
      server.world.breakCode({
        at: server.world.now(),
        code: "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX",
        message: "enum is not supported in strip-only mode",
        hint: "Write a const object instead, and set erasableSyntaxOnly in tsconfig.json",
        place: { file: "src/tools.ts", line: 3, column: 1 },
        frame: {
          first: 1,
          lines: ['import { z } from "zod";', "", "enum Size { Small }", "", "export const tools = [];"],
        },
        causes: [],
        hasGoodCode: true,
      });
      await see(page, "enum is not supported in strip-only mode");
    },
  },
];
