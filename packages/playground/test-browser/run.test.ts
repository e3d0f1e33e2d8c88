import { expect, test } from "vitest";
import { useStages } from "./stage.ts";

const stage = useStages({ runs: 240, load: { perSecond: 20 } });
const RUN = "/runs/support/run-1";

test("a step is two clicks from its message, and has an address of its own", async () => {
  const { page, address, complaints } = await stage({ path: RUN });
  await page.locator(".bar-row", { hasText: "orders" }).first().click();
  await page.getByText("503 from the shop").first().waitFor();
  await page.getByText('"Where is order 4471? I want my money back."').first().waitFor();
  expect(address()).toBe(`${RUN}?step=orders.1`);
  await page.keyboard.press("]");
  expect(address()).toBe(`${RUN}?step=policies.1`);
  await page.reload();
  await page.getByRole("heading", { name: "policies", exact: true }).waitFor();
  await page.keyboard.press("Escape");
  expect(address()).toBe(RUN);
  expect(complaints).toEqual([]);
});

test("the scrubber shows graph, messages and memory as they were", async () => {
  const { page, address } = await stage({ path: RUN });
  const plan = page.locator('[data-node="plan"]');
  await page.locator('[data-node="plan"][data-look="done"]').waitFor();
  await page.getByRole("slider", { name: "Record of the run" }).fill("3");
  await page.locator('[data-node="plan"][data-look="running"]').waitFor();
  expect(address()).toBe(`${RUN}?at=3`);
  expect(await page.locator(".marker").count()).toBeGreaterThan(0);
  await page.keyboard.press("ArrowRight");
  expect(address()).toBe(`${RUN}?at=4`);
  await page.getByRole("button", { name: "to the end" }).click();
  await page.locator('[data-node="plan"][data-look="done"]').waitFor();
  expect(await plan.getAttribute("aria-label")).toContain("completed");
});

test("a run is played from its start to its end", async () => {
  const { page, address } = await stage({ path: RUN });
  await page.locator(".bar-row").first().waitFor();
  await page.getByRole("button", { name: "Play the run" }).click();
  await expect.poll(() => page.evaluate<boolean>(`location.search.includes("at=")`), { timeout: 30_000 }).toBe(true);
  await expect.poll(() => page.evaluate<boolean>(`!location.search.includes("at=")`), { timeout: 30_000 }).toBe(true);
  expect(address()).toBe(RUN);
});

test("run again from a step: the message is edited, what differs is shown, and what writes asks first", async () => {
  const { page, server, address } = await stage({ path: `${RUN}?step=refund.1` });
  await page.getByRole("button", { name: /Run again from here/ }).click();
  const message = page.getByRole("textbox", { name: /Message to refund/ });
  await message.fill('{ "text": "no", "order": "4471" }');
  await page.getByRole("rowheader", { name: "text" }).waitFor();
  await page.getByRole("button", { name: "Run with the edited message" }).click();
  await page.getByText("This writes.").waitFor();
  expect(server.world.asked.map(({ body }) => body)).toEqual([
    { from: "refund.1", input: { text: "no", order: "4471" } },
  ]);
  await page.getByRole("button", { name: "Run, and let it write" }).click();
  await page.waitForURL("**/runs/support/run-again");
  expect(server.world.asked.at(-1)!.body).toMatchObject({ allowWrites: true });
  expect(address()).toBe("/runs/support/run-again");
});

test("a message that is no JSON cannot be sent", async () => {
  const { page } = await stage({ path: `${RUN}?panel=again` });
  await page.getByRole("textbox", { name: /Input/ }).fill("{");
  expect(await page.getByRole("button", { name: "Run", exact: true }).isDisabled()).toBe(true);
});

test("a test is offered with its proof, and what is unticked runs for real", async () => {
  const { page, server } = await stage({ path: RUN });
  await page.getByRole("button", { name: "Make a test" }).click();
  await page.getByText("Passes as it is").waitFor();
  await page.getByText("Fails when its exit node is broken").waitFor();
  await page.getByRole("checkbox", { name: /policies/ }).uncheck();
  await page.getByRole("checkbox", { name: /policies/, checked: false }).waitFor();
  await page.getByRole("button", { name: /^Write test/ }).click();
  await page.getByText("Written.").waitFor();
  expect(server.world.asked.at(-1)!.body).toEqual({ write: true, runForReal: ["policies"] });
});

test("a run of subflows folds", async () => {
  const { page } = await stage({ path: RUN });
  await page.locator(".bar-row", { hasText: "find" }).waitFor();
  await page.locator(".bar-row", { hasText: "compose" }).click();
  await page.locator(".bar-row", { hasText: "find" }).waitFor({ state: "detached" });
  expect(await page.locator(".bar-row", { hasText: "compose" }).getAttribute("aria-expanded")).toBe("false");
});

test("the timeline is zoomed and shown whole again", async () => {
  const { page } = await stage({ path: RUN });
  await page.locator(".timeline-axis").getByText("4 s").waitFor({ state: "attached" });
  const zoom = page.getByRole("group", { name: "Zoom of the timeline" });
  for (let count = 0; count < 6; count++) await zoom.getByRole("button", { name: "Zoom in" }).click();
  await page
    .locator(".timeline-axis")
    .getByText(/ ms|\.\d+ s/)
    .first()
    .waitFor({ state: "attached" });
  expect(await page.locator(".timeline-axis").getByText("4 s", { exact: true }).count()).toBe(0);
  await zoom.getByRole("button", { name: "fit" }).click();
  await page.locator(".timeline-axis").getByText("4 s").waitFor({ state: "attached" });
});
