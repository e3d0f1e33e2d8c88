import { expect, test } from "vitest";
import { see, useStages } from "./stage.ts";

const stage = useStages();
const REFUND = "Where is order 4471? I want my money back.";

test("a message becomes a thread with an address; the second is answered, too", async () => {
  const { page, say, complaints, strayed } = await stage();
  await say("What can you do?");
  await see(page, "I can tell you where an order is");
  expect(new URL(page.url()).pathname).toMatch(/^\/threads\/thread-/);
  await say("And now?");
  await expect.poll(() => page.getByText("I can tell you where an order is").count()).toBe(2);
  await expect.poll(() => page.getByRole("log").getByText("completed", { exact: true }).count()).toBe(2);
  expect([complaints, strayed]).toEqual([[], []]);
});

test("an answer is shown as elements: bold, table, list, link, code", async () => {
  const { page, say } = await stage();
  await say(REFUND);
  await page.getByRole("button", { name: "Approve" }).click();
  await page.getByRole("cell", { name: "49.90 €" }).waitFor();
  expect(await page.locator(".prose strong").first().textContent()).toBe("4471");
  expect(await page.getByRole("link", { name: "what we promise" }).getAttribute("rel")).toContain("noopener");
});

test("a tool is approved with changed arguments, and the difference is shown before", async () => {
  const { page, say, server } = await stage();
  await say(REFUND);
  await page.getByLabel("eur").fill("45");
  await see(page, "runs once, with your changes");
  expect(await page.locator(".approval-changes").textContent()).toContain("49.9 → 45");
  await page.getByRole("button", { name: "Approve with changes" }).click();
  await see(page, "three working days");
  const [run] = server.world.runs.values();
  expect(run?.parts.find((part) => part.type === "call" && part.tool === "refund.pay")).toMatchObject({
    state: "done",
    output: { paid: { order: "4471", eur: 45 } },
  });
});

test("arguments that do not fit are told at their field, and nothing is sent", async () => {
  const { page, say, server } = await stage();
  await say(REFUND);
  await page.getByLabel("eur").fill("900");
  await page.getByRole("button", { name: "Approve with changes" }).click();
  await see(page, "Expected at most 500, got 900");
  expect(await page.getByLabel("eur").getAttribute("aria-invalid")).toBe("true");
  expect(server.world.pauses()).toHaveLength(1);
});

test("a reload during a pause loses nothing: the question is there, and can be rejected with the keyboard alone", async () => {
  const { page, say, server } = await stage();
  await say(REFUND);
  await page.locator(".approval").waitFor();
  await page.reload();
  await page.locator(".approval").waitFor();
  expect(await page.getByPlaceholder("Answer first").isDisabled()).toBe(true);
  await page.getByRole("button", { name: "Show the question" }).press("Enter");
  await page.keyboard.press("r");
  await page.keyboard.type("The parcel came yesterday");
  await page.keyboard.press("Enter");
  await see(page, "A colleague will write to you today");
  const [run] = server.world.runs.values();
  expect(run?.parts.find((part) => part.type === "call" && part.tool === "refund.pay")).toMatchObject({
    state: "rejected",
    error: "The parcel came yesterday",
  });
});

test("a reload during a run rejoins it: what it said before is there, and it goes on", async () => {
  const { page, say } = await stage();
  await say("Be slow");
  await see(page, "Sentence 3 of a long answer");
  await page.reload();
  await see(page, "Sentence 3 of a long answer");
  const before = await page.locator(".prose").last().textContent();
  await expect
    .poll(async () => (await page.locator(".prose").last().textContent())?.length)
    .toBeGreaterThan(before?.length ?? 0);
});

test("streams that drop are joined again, and no word is lost or doubled", async () => {
  const { page, say, server } = await stage();
  await say("Be slow");
  await see(page, "Sentence 2 of a long answer");
  server.world.cutStreams();
  await see(page, "Sentence 60 of a long answer");
  const text = (await page.locator(".prose").last().textContent()) ?? "";
  const numbers = Array.from(text.matchAll(/Sentence (\d+)/g), ([, number]) => Number(number));
  expect(numbers).toEqual(numbers.map((_number, index) => index + 1));
});

test("Escape stops the run, and the report says what has stopped", async () => {
  const { page, say } = await stage();
  await say("Be slow");
  await see(page, "Sentence 2 of a long answer");
  await page.keyboard.press("Escape");
  await see(page, /Stopped: \d+ handlers? stopped, 0 given up, 0 messages dropped/);
  await page.getByRole("textbox", { name: "Message support" }).waitFor();
  await expect.poll(() => page.getByRole("textbox", { name: "Message support" }).isEnabled()).toBe(true);
});

test("a message during a run steers it: pending until the run has read it", async () => {
  const { page, say, server } = await stage();
  server.world.holdsSteering = true;
  await say("Be slow");
  await see(page, "Sentence 1 of a long answer");
  await say("That is enough");
  await see(page, "queued, not read yet");
  server.world.readSteering();
  await see(page, "steered");
  await see(page, "You said: That is enough. So I end here.");
  expect(await page.locator(".steer").count()).toBe(1);
});

test("an edited message forks the thread; the old one stays", async () => {
  const { page, say, server } = await stage();
  await say("What can you do?");
  await see(page, "I can tell you where an order is");
  const old = page.url();
  await page.getByRole("button", { name: "Edit the message" }).press("Enter");
  await page.getByRole("textbox", { name: "Edit the message" }).fill("Please fail");
  await page.getByRole("button", { name: "Send in a new thread" }).click();
  await see(page, 'Node "plan" failed: 503 from the model');
  expect(page.url()).not.toBe(old);
  expect([...server.world.threads.values()].map((thread) => thread.turns.map(({ text }) => text))).toEqual([
    ["What can you do?"],
    ["Please fail"],
  ]);
});

test("a chip of the strip opens its step at the right, with what the node was given", async () => {
  const { page, say } = await stage();
  await say("What can you do?");
  await page.getByRole("button", { name: /^plan/ }).first().click();
  await page.getByRole("region", { name: "Step plan" }).getByText("What can you do?").first().waitFor();
  expect(new URL(page.url()).searchParams.get("step")).toBe("2.1");
});

test("two tabs show the same run, and an answer in one is seen in the other", async () => {
  const { page, say, context } = await stage();
  await say(REFUND);
  await page.locator(".approval").waitFor();
  const other = await context.newPage();
  await other.goto(page.url());
  await other.getByRole("button", { name: "Approve" }).click();
  await see(page, "three working days");
  await see(other, "three working days");
  expect(await page.locator(".approval").count()).toBe(0);
});

test("a file becomes an attachment of the message; one that is too large is refused with its size", async () => {
  const { page, say, server } = await stage();
  const picker = page.locator('input[type="file"]');
  await picker.setInputFiles({ name: "huge.bin", mimeType: "application/octet-stream", buffer: Buffer.alloc(800_000) });
  await see(page, 'Cannot attach "huge.bin": expected at most 700 kB in all, got 800 kB');
  await picker.setInputFiles({ name: "note.txt", mimeType: "text/plain", buffer: Buffer.from("hello") });
  await page.getByRole("button", { name: "Remove note.txt" }).waitFor();
  await say("Read this");
  await see(page, "I can tell you where an order is");
  expect([...server.world.threads.values()][0]?.turns[0]?.text).toBe("Read this [note.txt]");
});

test("a half-written message outlasts a reload", async () => {
  const { page, server } = await stage();
  await page.getByRole("textbox", { name: "Message support" }).fill("Half a thou");
  await expect.poll(() => [...server.world.drafts.values()]).toEqual(["Half a thou"]);
  await page.reload();
  await expect.poll(() => page.getByRole("textbox", { name: "Message support" }).inputValue()).toBe("Half a thou");
});

test("a hostile text is harmless: no element, no script, no link that runs, no request", async () => {
  const { page, say, strayed, complaints } = await stage();
  await say('hostile <img src=x onerror="document.title=1">');
  await see(page, "<script>document.title='owned'</script>");
  expect(await page.locator(".turn img, .turn script, .turn iframe").count()).toBe(0);
  const links = await page.evaluate(
    `[...document.querySelectorAll(".prose a")].map((link) => link.getAttribute("href"))`,
  );
  expect(links).toEqual(["https://evil.example/pixel.png"]);
  expect(await page.title()).not.toContain("owned");
  expect([strayed, complaints]).toEqual([[], []]);
});
