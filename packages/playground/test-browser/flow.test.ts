import { expect, test } from "vitest";
import { useStages } from "./stage.ts";

const stage = useStages({ runs: 240, load: { perSecond: 20 } });

test("a full edge is wide, says its depth and who waits, and is told in the table, too", async () => {
  const { page, complaints } = await stage({ path: "/flows/wide", load: { perSecond: 60 } });
  const full = page.locator('.edge[data-pressure="full"]').first();
  await full.waitFor({ state: "attached" });
  expect(Number(await full.locator(".pipe").getAttribute("stroke-width"))).toBeGreaterThan(5);
  await page.keyboard.press("t");
  await page.locator(".drawer td", { hasText: /^full/ }).first().waitFor();
  expect(complaints).toEqual([]);
});

test("arrow keys walk through the nodes, Enter opens one, Escape closes it", async () => {
  const { page, address } = await stage({ path: "/flows/support" });
  await page.locator('[data-node="guard"]').focus();
  await page.keyboard.press("ArrowRight");
  expect(await page.evaluate("document.activeElement.dataset.node")).toBe("plan");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "plan", exact: true }).waitFor();
  expect(address()).toBe("/flows/support?node=plan");
  await page.keyboard.press("Escape");
  await page.locator(".drawer").waitFor({ state: "detached" });
});

test("below a scale of 0.62 only names and slots are left, and fit brings all back", async () => {
  const { page } = await stage({ path: "/flows/support" });
  const graph = page.locator(".graph");
  await page.locator('[data-node="guard"]').waitFor();
  expect(await graph.getAttribute("data-far")).toBeNull();
  for (let count = 0; count < 5; count++) await page.getByRole("button", { name: "Zoom out" }).click();
  expect(await graph.getAttribute("data-far")).not.toBeNull();
  expect(await page.locator(".node-words").first().isVisible()).toBe(false);
  await page.getByRole("button", { name: "fit" }).click();
  expect(await graph.getAttribute("data-far")).toBeNull();
});

test("dots move only for those who have not asked for less motion", async () => {
  const painted = `(() => {
    const canvas = document.querySelector(".graph-dots");
    return canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value > 0);
  })()`;
  const moving = await stage({ path: "/flows/wide", isMotionReduced: false });
  await expect.poll(() => moving.page.evaluate<boolean>(painted), { timeout: 30_000 }).toBe(true);
  const still = await stage({ path: "/flows/wide" });
  await still.page.locator(".event-row").nth(5).waitFor();
  expect(await still.page.evaluate(painted)).toBe(false);
});

test("Space holds the list of events, / filters it", async () => {
  const { page } = await stage({ path: "/flows/wide" });
  await page.locator(".event-row").first().waitFor();
  await page.keyboard.press(" ");
  await page.getByText("held", { exact: true }).waitFor();
  const first = await page.locator(".event-row").first().textContent();
  await page.waitForTimeout(600);
  expect(await page.locator(".event-row").first().textContent()).toBe(first);
  await page.keyboard.press("/");
  await page.keyboard.type("node_success store-1");
  await expect
    .poll(
      () =>
        page.evaluate<boolean>(
          `[...document.querySelectorAll(".event-node")].every((node) => node.textContent === "store-1")`,
        ),
      { timeout: 30_000 },
    )
    .toBe(true);
});

test("the cycle of a deadlock is drawn and named, and can be dismissed", async () => {
  const { page, server } = await stage({ path: "/flows/support" });
  await page.locator('[data-node="plan"]').waitFor();
  const cycle = ["plan", "orders", "plan"];
  const event = { seq: 1, at: Date.now(), flow: "support", type: "deadlock", traceId: "t-9", tenant: "acme", cycle };
  server.world.tell({ type: "frame", seq: 1, at: Date.now(), skipped: 0, events: [event], stats: [] });
  await page.getByText("plan → orders → plan").waitFor();
  expect(await page.locator('[data-edge="plan>orders"]').getAttribute("data-marked")).toBe("true");
  await page.getByRole("button", { name: "Dismiss" }).click();
  await page.getByText("plan → orders → plan").waitFor({ state: "detached" });
});

test("something is sent in so many times at a rate, by a form that knows the schema", async () => {
  const { page, server } = await stage({ path: "/flows/support" });
  await page.locator('[data-node="guard"]').waitFor();
  await page.keyboard.press("s");
  await page.getByRole("spinbutton", { name: "Times" }).fill("20");
  await page.getByRole("spinbutton", { name: /A second/ }).fill("5");
  await page.getByRole("button", { name: "Send 20 times" }).click();
  // the schema wants a text
  expect(server.world.asked).toEqual([]);
  await page.getByRole("textbox", { name: "text" }).fill("hello");
  await page.getByRole("button", { name: "Send 20 times" }).click();
  await page.getByText("20 runs are on their way").waitFor();
  expect(server.world.asked).toEqual([
    { route: "POST flows/support/runs", body: { input: { text: "hello" }, count: 20, rate: 5 } },
  ]);
});

test("a trace of the list can be cancelled, and the report says what stopped", async () => {
  const { page, server } = await stage({ path: "/flows/wide" });
  await page.locator(".event-row").first().waitFor();
  await page.keyboard.press(" ");
  await page.locator(".event-trace").first().click();
  await page.getByRole("button", { name: "Cancel it" }).click();
  await page.getByText("3 handlers stopped, 0 given up, 2 messages dropped").waitFor();
  expect(server.world.asked[0]!.route).toMatch(/^POST runs\/wide\/t\d+\/cancel$/);
});

test("tenants are counted apart", async () => {
  const { page } = await stage({ path: "/flows/wide?show=tenants" });
  await expect
    .poll(async () => (await page.locator(".drawer tbody th").allTextContents()).toSorted(), { timeout: 30_000 })
    .toEqual(["acme", "globex", "initech"]);
});

test("the picture is taken away as SVG with its state", async () => {
  const { page } = await stage({ path: "/flows/wide", load: { perSecond: 60 } });
  await page.locator('.edge[data-pressure="full"]').first().waitFor({ state: "attached" });
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "SVG" }).click(),
  ]);
  expect(download.suggestedFilename()).toBe("wide.svg");
  const text = await new Response((await download.createReadStream()) as never).text();
  expect(text).toContain("</svg>");
  expect(text).toContain("16/16");
});

test("the entry is held with the keyboard alone: messages wait and are counted, go one by one, or all at once", async () => {
  const { page, server } = await stage({ path: "/flows/support", runs: 0, pace: 0 });
  await page.locator('[data-node="guard"]').waitFor();
  await page.keyboard.press("e");
  await page.getByText("0 messages wait").waitFor();
  for (const text of ["one", "two", "three"]) server.world.startRun("support", text, { text });
  await page.getByText("3 messages wait").waitFor();
  const states = () => server.world.summaries().map(({ state }) => state);
  await page.keyboard.press(".");
  await page.getByText("2 messages wait").waitFor();
  await expect.poll(states).toEqual(["running", "running", "completed"]);
  await page.keyboard.press("e");
  await expect.poll(states).toEqual(["completed", "completed", "completed"]);
  await page.getByRole("button", { name: /^Hold$/ }).waitFor();
});
