import { expect, test } from "vitest";
import { manyRuns } from "../test/load/support-run.ts";
import { useStages } from "./stage.ts";

const stage = useStages({ runs: 240, load: { perSecond: 20 } });

test("ten thousand runs are listed with a screenful of rows", async () => {
  const { page, complaints } = await stage({ path: "/runs", runs: 10_000 });
  await page.locator(".run-row").first().waitFor();
  // each page is asked for when the end of the list comes into sight
  const scrolled = `(() => {
    const list = document.querySelector(".virtual-list");
    list.scrollTop = list.scrollHeight;
    return document.querySelector("[aria-setsize]").getAttribute("aria-setsize");
  })()`;
  await expect.poll(() => page.evaluate<string>(scrolled), { timeout: 60_000 }).toBe("10000");
  expect(await page.locator(".run-row").count()).toBeLessThan(60);
  expect(complaints).toEqual([]);
});

test("filters stand in the address, and a reload keeps them", async () => {
  const { page, address } = await stage({ path: "/runs" });
  await page.getByRole("combobox", { name: "state" }).selectOption("failed");
  await expect
    .poll(
      () =>
        page.evaluate<boolean>(
          `[...document.querySelectorAll(".run-row .badge")].every((badge) => badge.textContent === "failed")`,
        ),
      { timeout: 30_000 },
    )
    .toBe(true);
  expect(address()).toBe("/runs?state=failed");
  await page.keyboard.press("/");
  await page.keyboard.type("policy");
  await page.waitForURL("**/runs?state=failed&q=policy");
  await page.reload();
  await page.locator(".run-row").first().waitFor();
  expect(await page.getByRole("searchbox", { name: /Search/ }).inputValue()).toBe("policy");
  await page.goBack();
  await page.waitForURL((url) => !url.search.includes("state"));
});

test("j and k move, l shows all like this, Enter opens", async () => {
  const { page, address } = await stage({ path: "/runs" });
  await page.locator(".run-row").first().waitFor();
  for (const key of ["j", "j", "j", "j", "j"]) await page.keyboard.press(key);
  const current = page.locator('.run-row[data-current="true"]');
  expect(await current.locator(".badge").textContent()).toBe("completed");
  await page.keyboard.press("k");
  expect(await current.locator(".badge").textContent()).toBe("failed");
  await page.keyboard.press("l");
  await page.waitForURL("**/runs?flow=support&state=failed&node=orders&code=NODE_EXCEPTION");
  await page.locator(".run-row").first().waitFor();
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/runs/support/*");
  expect(address()).toMatch(/^\/runs\/support\/run-/);
});

test("a run that begins comes to the top, and one that ends changes in place", async () => {
  const { page, server } = await stage({ path: "/runs?flow=support" });
  await page.locator(".run-row").first().waitFor();
  const [known] = manyRuns(1, Date.now());
  const run = { ...known!, id: "run-new", input: "Is it there?", startedAt: Date.now() + 60_000 };
  server.world.tell({ type: "run", seq: 1, run });
  await page.locator(".run-row", { hasText: "Is it there?" }).waitFor();
  expect(await page.locator(".run-row").first().textContent()).toContain("Is it there?");
  server.world.tell({ type: "run", seq: 1, run: { ...run, state: "completed" } });
  await page.locator(".run-row", { hasText: "Is it there?" }).getByText("completed").waitFor();
  server.world.tell({ type: "run", seq: 1, run: { ...run, id: "run-other", flow: "wide", input: "Not of this flow" } });
  server.world.tell({ type: "run", seq: 1, run: { ...run, id: "run-last", input: "The last one" } });
  await page.locator(".run-row", { hasText: "The last one" }).waitFor();
  expect(await page.locator(".run-row", { hasText: "Not of this flow" }).count()).toBe(0);
});

test("a run is deleted only after a second click", async () => {
  const { page, server } = await stage({ path: "/runs" });
  const first = page.locator(".run-row").nth(1);
  await first.waitFor();
  await first.getByRole("button", { name: /^Delete/ }).click();
  await page.getByRole("button", { name: "Keep it" }).click();
  expect(server.world.asked).toEqual([]);
  await first.getByRole("button", { name: /^Delete/ }).click();
  await page.getByRole("button", { name: "Delete it" }).click();
  await page.getByRole("alertdialog").waitFor({ state: "detached" });
  expect(server.world.asked.map(({ route }) => route.split("/")[0])).toEqual(["DELETE runs"]);
});

test("two runs are compared: the first difference is named and opened", async () => {
  const { page, complaints } = await stage({ path: "/compare?a=support/run-1&b=support/run-2" });
  await page.getByText("First difference: The second run has no failed attempt at orders").waitFor();
  await page.locator(".compare-rows tr[data-selected='true']", { hasText: "did not run" }).waitFor();
  await page.getByText("only in the first run").first().waitFor();
  await page.keyboard.press("j");
  await page.getByRole("heading", { name: "policies", exact: true }).waitFor();
  expect(complaints).toEqual([]);
});

test("a run is run again on the code as it is now, and compared", async () => {
  const { page, server } = await stage({ path: "/compare?a=support/run-1" });
  await page.getByRole("button", { name: "Run it again and compare" }).click();
  await page.getByText("First difference").waitFor();
  expect(server.world.asked).toEqual([{ route: "POST runs/support/run-1/again", body: {} }]);
});

test("a simulation shows its seeds, the faults, and a seed that failed as a run", async () => {
  const { page, server, complaints } = await stage({ path: "/simulate" });
  await page.getByRole("spinbutton", { name: "Seeds" }).fill("300");
  await page.getByRole("button", { name: "Simulate" }).click();
  await page.getByText("300 of 300 seeds, 3 failed").first().waitFor();
  await page.getByText("Never occurred:").waitFor();
  await page.getByText("60 seeds").waitFor();
  await page.getByRole("button", { name: "✕ 97" }).click();
  await page.getByText("The order was refunded twice").waitFor();
  expect(await page.getByRole("link", { name: "Open as a run" }).getAttribute("href")).toBe("/runs/support/seed-97");
  expect(server.world.asked).toEqual([{ route: "POST simulate", body: { seeds: 300, from: 1 } }]);
  expect(complaints).toEqual([]);
});
