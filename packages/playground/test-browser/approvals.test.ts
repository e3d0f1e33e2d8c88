import { expect, test } from "vitest";
import { see, useStages } from "./stage.ts";

const stage = useStages();

async function withQuestions(count: number) {
  const opened = await stage();
  const { world } = opened.server;
  for (let index = 0; index < count; index += 1) world.say(world.newThread("support"), "I want my money back for 4471");
  await expect.poll(() => world.pauses().length).toBe(count);
  await opened.open("/approvals");
  await expect.poll(() => opened.page.locator(".approval").count()).toBe(count);
  return opened;
}

test("all open questions are listed, counted in the rail, and answered with the keyboard alone", async () => {
  const { page, server } = await withQuestions(2);
  await page.getByRole("link", { name: "Approvals 2 open" }).waitFor();
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await page.keyboard.press("a");
  await expect.poll(() => page.locator(".approval").count()).toBe(1);
  await page.keyboard.press("j");
  await page.keyboard.press("r");
  await page.keyboard.type("no");
  await page.keyboard.press("Enter");
  await see(page, "Nothing waits for a decision");
  expect(server.world.pauses()).toEqual([]);
});

test("several are approved at once, and each is answered apart: one that somebody else answered is told", async () => {
  const { page, server } = await withQuestions(3);
  for (const box of await page.getByRole("checkbox").all()) await box.check();
  await page.route("**/api/pauses/*", async (route) => {
    const [first] = server.world.pauses();
    if (first !== undefined && route.request().url().endsWith(first.id)) {
      server.world.runs.get(first.runId)?.answer(first.id, { approved: true });
    }
    await route.continue();
  });
  await page.getByRole("button", { name: "Approve 3, as shown" }).click();
  await see(page, "refund.pay: The pause has been answered already");
  await expect.poll(() => server.world.pauses().length).toBe(0);
});

test("a question links to its thread and its run, and says that it ends with its process", async () => {
  const { page } = await withQuestions(1);
  await see(page, "ends with its process");
  expect(await page.getByRole("link", { name: "Thread", exact: true }).getAttribute("href")).toMatch(/^\/threads\//);
  expect(await page.locator(".approval-links .mono").getAttribute("href")).toMatch(/^\/runs\/support\//);
});
