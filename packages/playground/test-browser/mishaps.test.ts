// Mishaps around a page: a server that is away, a save that ends questions, texts and payloads out of the ordinary.
import { expect, test } from "vitest";
import { see, useStages } from "./stage.ts";

const stage = useStages();
const HOSTILE = `<img src=x onerror="document.title='owned'"> "'><b>fail</b>`;

/** Reads the numbers of the sentences of a long answer. */
const sentences = `Array.from(document.body.textContent.matchAll(/Sentence (\\d+)/g), ([, number]) => Number(number))`;

test("a server that is killed and back is joined again by the chat, and no sentence is lost or doubled", async () => {
  const { page, say, server } = await stage();
  await say("Be slow");
  await see(page, "Sentence 2 of a long answer");
  await server.leave();
  await see(page, "Reconnecting");
  await server.comeBack();
  await page.locator('[data-state="live"]').waitFor();
  const before = [...server.world.runs.values()][0]!.parts.findLast((part) => part.type === "text");
  const told = before?.type === "text" ? before.text : "";
  const last = Number(/Sentence (\d+) of a long answer\.$/.exec(told)?.[1]);
  await see(page, `Sentence ${last + 3} of a long answer`);
  const read = (await page.evaluate<number[]>(sentences)).toSorted((one, other) => one - other);
  expect(read).toEqual(read.map((_number, index) => index + 1));
});

test("the page of a live run joins it again, too, and shows its end", async () => {
  const { page, server, open } = await stage();
  const run = server.world.startRun("support", "Be slow", { text: "Be slow" });
  await open(`/runs/support/${run.summary.id}`);
  await see(page, "running");
  await server.leave();
  await see(page, "Reconnecting");
  await server.comeBack();
  await page.locator('[data-state="live"]').waitFor();
  run.step("answer");
  await page.locator(".bar-row", { hasText: "answer" }).waitFor();
  run.cancel();
  await page.locator(".main .badge", { hasText: "cancelled" }).first().waitFor();
  expect(await page.getByText("Reconnecting").count()).toBe(0);
});

test("an open question is answered by its form: what does not fit is told at its field", async () => {
  const { page, say } = await stage();
  await say("Please ask me");
  await see(page, "order.ask asks for an answer");
  await see(page, "Which order is it?");
  await page.getByRole("textbox", { name: "order" }).fill("44");
  await page.getByRole("button", { name: "Answer", exact: true }).click();
  expect(await page.getByRole("textbox", { name: "order" }).getAttribute("aria-invalid")).toBe("true");
  await page.getByRole("textbox", { name: "order" }).fill("4471");
  await page.getByRole("button", { name: "Answer", exact: true }).click();
  await see(page, "So it is order 4471.");
  expect(await page.locator(".approval").count()).toBe(0);
});

test("questions that a save ends are told where they stood, and in their chat", async () => {
  const { page, say, server, context } = await stage();
  await say("Please ask me");
  await see(page, "Which order is it?");
  const approvals = await context.newPage();
  await approvals.goto(`${server.origin}/approvals`);
  await approvals.locator(".approval").waitFor();
  server.world.save();
  await see(approvals, /1 question ended with the code that the save of .* replaced/);
  await see(approvals, "Nothing waits for a decision");
  expect(await approvals.getByRole("link", { name: "The stopped runs" }).getAttribute("href")).toBe(
    "/runs?state=stopped",
  );
  await page.bringToFront();
  await see(page, "Its code was replaced by a save");
  await page.reload();
  await see(page, "Its code was replaced by a save");
});

test("a hostile message stays a text on every screen that shows it", async () => {
  const { page, say, open, address, strayed, complaints } = await stage();
  await say(HOSTILE);
  await see(page, 'Node "plan" failed');
  const thread = address();
  const run = await page.locator('.turn a[href^="/runs/support/"]').first().getAttribute("href");
  for (const path of [thread, "/threads", "/runs", `${run}?step=1.1`]) {
    await open(path);
    await see(page, /<img src=x onerror=/);
    expect([path, await page.locator("main img, main b, main script, .rail img").count()]).toEqual([path, 0]);
  }
  await page.keyboard.press("Control+k");
  await page.keyboard.type("img src");
  await page
    .getByRole("option", { name: /<img src=x/ })
    .first()
    .waitFor();
  expect(await page.locator("[role=option] img").count()).toBe(0);
  expect([await page.title(), strayed, complaints].join()).not.toContain("owned");
  expect([strayed, complaints]).toEqual([[], []]);
});

test("a message of 200 kB in one line, and one of 5 MB, are shown in part, and the page answers", async () => {
  const { page, server, open, complaints } = await stage();
  const line = "x".repeat(200_000);
  const rows = Array.from({ length: 25_000 }, (_, row) => ({ row, text: "y".repeat(180) }));
  expect(JSON.stringify(rows).length).toBeGreaterThan(5_000_000);
  const run = server.world.startRun("support", "Hello", { text: "Hello", line, rows });
  await expect.poll(() => run.isOver).toBe(true);
  await open(`/runs/support/${run.summary.id}?step=1.1`);
  await see(page, /all 2000\d\d characters/);
  const fold = page.getByRole("button", { name: /rows/ }).first();
  await fold.click();
  await see(page, "24900 more");
  expect(await page.locator("*").count()).toBeLessThan(5_000);
  await page.keyboard.press("]");
  await page.waitForURL("**step=2.1*");
  expect(complaints).toEqual([]);
});
