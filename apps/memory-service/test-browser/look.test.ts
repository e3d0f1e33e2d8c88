import { expect, test } from "vitest";
import { expectGoodLook } from "../../../packages/playground/test-browser/good-look.ts";
import { type Stage, useStages } from "./stage.ts";

const stage = useStages();

/** Every screen, and what has to be on it before it is looked at. */
const SCREENS: ReadonlyArray<readonly [name: string, prepare: (stage: Stage) => Promise<void>]> = [
  ["memories", async ({ page }) => await page.getByText("The gate is blue now.").waitFor()],
  [
    "a search",
    async ({ page, go }) => {
      await go("#/memories?q=gate");
      await page.getByText("words #1").waitFor();
    },
  ],
  [
    "a search without finds",
    async ({ page, go }) => {
      await go("#/memories?conversation=none");
      await page.getByText("Nothing fits").waitFor();
    },
  ],
  [
    "a new memory",
    async ({ page }) => {
      await page.getByRole("button", { name: "Remember …" }).click();
      await page.getByLabel("Text, kept word for word").waitFor();
    },
  ],
  [
    "a memory",
    async ({ page, go, ids }) => {
      await go(`#/memory/${ids[0]}`);
      await page.getByText("Share with …").click();
      await page.getByLabel("Until (optional)").waitFor();
    },
  ],
  [
    "what forgetting takes",
    async ({ page, go, ids }) => {
      await go(`#/memory/${ids.at(-1)}`);
      await page.getByRole("button", { name: "Forget …" }).click();
      await page.getByText("1 older memory").waitFor();
    },
  ],
  [
    "a memory that is not there",
    async ({ page, go }) => {
      await go("#/memory/never-was");
      await page.getByText("No such fragment").waitFor();
    },
  ],
  [
    "the first question",
    async ({ page, go }) => {
      await go("#/ask");
      await page.getByText("Ask as an agent would").waitFor();
    },
  ],
  [
    "an answer",
    async ({ page, go }) => {
      await go("#/ask?q=code%20of%20the%20gate&limit=3");
      await page.getByText("Why it is at this place").waitFor();
      await page.getByText("In numbers").click();
    },
  ],
  [
    "the queue",
    async ({ page, go }) => {
      await go("#/queue");
      await page.getByText("13 of 13").waitFor();
    },
  ],
  [
    "the flows",
    async ({ page, go }) => {
      await go("#/flows");
      await page.getByText("13 completed").waitFor();
    },
  ],
  [
    "a screen that is not there",
    async ({ page, go }) => {
      await go("#/nowhere");
      await page.getByText("There is no such screen").waitFor();
    },
  ],
  [
    "the keys",
    async ({ page }) => {
      await page.keyboard.press("?");
      await page.getByText("Go to Flows").waitFor();
    },
  ],
  [
    "the way in",
    async ({ page }) => {
      await page.getByRole("button", { name: "Sign out" }).click();
      await page.getByText("The key stays in this tab").waitFor();
    },
  ],
];

/** A failed request is logged by the browser itself. */
const isOwn = (complaint: string): boolean => !complaint.includes("404 (Not Found)");

test("on every screen axe finds nothing in either theme, 360 pixels are enough, and there is one h1", async () => {
  const opened = await stage();
  const { page, go, complaints, strayed } = opened;
  const faults: unknown[] = [];
  for (const [name, prepare] of SCREENS) {
    await page.setViewportSize({ width: 1440, height: 900 });
    await page.keyboard.press("Escape");
    await go("#/memories");
    await prepare(opened);
    await expectGoodLook(page).catch((fault: unknown) => {
      faults.push([name, fault instanceof Error && "actual" in fault ? fault.actual : String(fault)]);
    });
  }
  expect(faults).toEqual([]);
  expect(complaints.filter(isOwn)).toEqual([]);
  expect(strayed).toEqual([]);
});
