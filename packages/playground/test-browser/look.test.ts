import { expect, test } from "vitest";
import { expectGoodLook } from "./good-look.ts";
import { see, useStages, type Stage } from "./stage.ts";

const stage = useStages();

/** Every screen, and what has to be on it before it is looked at. */
const SCREENS: ReadonlyArray<readonly [name: string, prepare: (stage: Stage) => Promise<void>]> = [
  ["start", ({ page }) => see(page, "Talk to support")],
  [
    "chat",
    async ({ page, say }) => {
      await say("Where is order 4471? I want my money back.");
      await page.getByRole("button", { name: "Approve" }).waitFor();
    },
  ],
  [
    "answer",
    async ({ page, say }) => {
      await say("Where is order 4471? I want my money back.");
      await page.getByRole("button", { name: "Approve" }).click();
      await see(page, "three working days");
      await page.locator(".tool").first().click();
    },
  ],
  [
    "approvals",
    async ({ page, say, open }) => {
      await say("Where is order 4471? I want my money back.");
      await page.locator(".approval").waitFor();
      await open("/approvals");
      await page.locator(".approval").waitFor();
      await page.getByRole("button", { name: "Reject …" }).click();
    },
  ],
  [
    "no approvals",
    async ({ page, open }) => {
      await open("/approvals");
      await see(page, "Nothing waits for a decision");
    },
  ],
  [
    "threads",
    async ({ page, open, server }) => {
      server.world.say(server.world.newThread("support"), "About penguins");
      await open("/threads");
      await see(page, "About penguins");
    },
  ],
  [
    "memory",
    async ({ page, open, server }) => {
      const thread = server.world.newThread("support");
      server.world.say(thread, "About penguins");
      await open(`/threads/${thread.id}/memory`);
      await see(page, "of 800");
    },
  ],
  [
    "tools",
    async ({ page, open }) => {
      await open("/tools/support/refund.pay");
      await see(page, "Call refund.pay");
    },
  ],
  [
    "lint",
    async ({ page, open }) => {
      await open("/lint");
      await see(page, "Does not apply …");
    },
  ],
  [
    "not found",
    async ({ page, open }) => {
      await open("/nowhere");
      await see(page, "There is no such page");
    },
  ],
  [
    "palette",
    async ({ page }) => {
      await page.keyboard.press("Control+k");
      await see(page, "Compare two runs");
    },
  ],
  [
    "overlay",
    async ({ page, server }) => {
      server.world.breakCode({
        at: 1,
        code: "ERR",
        message: "It is broken",
        causes: [],
        hasGoodCode: true,
        place: { file: "a.ts", line: 1 },
        frame: { first: 1, lines: ["x"] },
      });
      await see(page, "It is broken");
    },
  ],
];

test.for(SCREENS)("%s: axe finds nothing in either theme, 360 pixels are enough, and it has one h1", async (screen) => {
  const [, prepare] = screen;
  const opened = await stage();
  await prepare(opened);
  await expectGoodLook(opened.page);
  expect(opened.complaints).toEqual([]);
  expect(opened.strayed).toEqual([]);
});
