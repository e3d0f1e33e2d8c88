import { expect, test } from "vitest";
import { see, useStages } from "./stage.ts";

const stage = useStages();

test("threads are filtered, and deleted in two clicks", async () => {
  const { page, open, server } = await stage();
  const { world } = server;
  world.say(world.newThread("support"), "About penguins");
  world.say(world.newThread("support"), "About orders");
  await open("/threads");
  await page.keyboard.press("/");
  await page.keyboard.type("penguins");
  await expect.poll(() => page.locator(".row").count()).toBe(1);
  await page.getByRole("button", { name: "Delete the thread About penguins" }).click();
  expect(world.threads.size).toBe(2);
  await page.getByRole("button", { name: "Delete with its runs" }).click();
  await expect.poll(() => world.threads.size).toBe(1);
  await see(page, "No thread fits");
});

test("memory shows what the next model call will see, and names without values", async () => {
  const { page, open, server } = await stage();
  const thread = server.world.newThread("support");
  server.world.say(thread, "Where is it?");
  await open(`/threads/${thread.id}/memory`);
  await see(page, /\d+ tokens of 800/);
  await see(page, "older than the summary");
  await see(page, "mailer");
  expect(await page.locator(".memory-item").count()).toBe(4);
});

test("an item of the memory is edited, and forgotten in two clicks; a read-only view does neither", async () => {
  const { page, open, server } = await stage();
  const { id } = server.world.newThread("support");
  await open(`/threads/${id}/memory`);
  await page.getByRole("button", { name: "Edit the summary item" }).click();
  await page.getByRole("textbox", { name: "Summary" }).fill("The lamp has come.");
  await page.getByRole("button", { name: "Save" }).click();
  await page.locator(".memory-item p", { hasText: "The lamp has come." }).waitFor();
  await page.getByRole("button", { name: "Forget the pending item" }).click();
  expect(await page.locator(".memory-item").count()).toBe(3);
  await page.getByRole("button", { name: "Forget it", exact: true }).click();
  await expect.poll(() => page.locator(".memory-item").count()).toBe(2);
  expect(server.world.asked).toEqual([{ route: `DELETE threads/${id}/memory/2`, body: undefined }]);
  server.world.isReadOnly = true;
  await open(`/threads/${id}/memory`);
  await page.locator(".memory-item").first().waitFor();
  expect(await page.getByRole("button", { name: /^(Edit|Forget)/ }).count()).toBe(0);
});

test("a finding has its reason and fix, leads to its node, and shows the filter line without writing anything", async () => {
  const { page, open } = await stage();
  await open("/lint");
  await see(page, "Set timeoutMs in the policy of the node");
  await page.getByRole("button", { name: "Does not apply …" }).first().click();
  await see(page, 'lintFlow(flow).filter((finding) => !(finding.rule === "no-timeout"');
  expect(await page.getByRole("link", { name: "store" }).first().getAttribute("href")).toBe("/flows/ingest?node=store");
});

test("a tool is tried: its form checks, a tool that writes asks first, and the call becomes a run", async () => {
  const { page, open, server } = await stage();
  await open("/tools");
  await see(page, "connection refused");
  await page.getByRole("link", { name: /refund\.pay/ }).click();
  const call = page.getByRole("button", { name: "Call refund.pay" });
  expect(await call.isDisabled()).toBe(true);
  await page.getByRole("checkbox").check();
  await call.click();
  await see(page, "Expected a value");
  await page.getByLabel("order").fill("4471");
  await page.getByLabel("eur").fill("49,90");
  await call.click();
  await expect.poll(() => new URL(page.url()).pathname).toMatch(/^\/runs\/support\/run-/);
  expect([...server.world.runs.values()].at(-1)?.inputValue).toEqual({ order: "4471", eur: 49.9 });
});

test("a source says what is wrong with it; it is connected anew, and a sign-in becomes a run that asks", async () => {
  const { page, open, server } = await stage();
  await open("/tools");
  const of = (source: string) => page.getByRole("region", { name: `Tools of ${source}` });
  await of("docs (MCP)").getByText("connected").waitFor();
  await of("crm (OpenAPI)").getByText("connection refused").waitFor();
  await of("crm (OpenAPI)").getByRole("button", { name: "Reconnect" }).click();
  await expect.poll(() => server.world.asked.length).toBe(1);
  await of("calendar").getByText("needs a sign-in").waitFor();
  await of("calendar").getByRole("button", { name: "Sign in" }).click();
  await expect.poll(() => new URL(page.url()).pathname).toMatch(/^\/runs\/support\/run-/);
  expect(server.world.asked).toEqual([
    { route: "POST sources/crm (OpenAPI)/reconnect", body: { flow: "support" } },
    { route: "POST tools/calendar_sign_in/call", body: { flow: "support", args: {} } },
  ]);
  server.world.isReadOnly = true;
  await open("/tools");
  await of("calendar").getByText("needs a sign-in").waitFor();
  expect(await page.getByRole("button", { name: /^(Sign in|Reconnect)/ }).count()).toBe(0);
});

test("a read-only view changes nothing: no box to write in, no answer, no delete", async () => {
  const { page, open, server } = await stage();
  const thread = server.world.newThread("support");
  server.world.say(thread, "I want my money back for 4471");
  await expect.poll(() => server.world.pauses().length).toBe(1);
  server.world.isReadOnly = true;
  await open(`/threads/${thread.id}`);
  await see(page, "This view only reads");
  expect(await page.getByRole("button", { name: /^(Approve|Reject|Stop|Send)/ }).count()).toBe(0);
  expect(await page.locator(".composer textarea").isDisabled()).toBe(true);
  await open("/threads");
  expect(await page.getByRole("button", { name: /^Delete/ }).count()).toBe(0);
});
