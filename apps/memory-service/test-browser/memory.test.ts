import { expect, test } from "vitest";
import { useStages } from "./stage.ts";

const stage = useStages();

test("a memory stands between its neighbours, and leads to them", async () => {
  const { page, go, ids } = await stage();
  await go(`#/memory/${ids[1]}`);
  await page.getByText("Noted. When does the dog need to go out?").waitFor();
  const [before, after] = await page.locator(".neighbour").allInnerTexts();
  expect(before).toContain("The gate code is 4711");
  expect(after).toContain("At seven, before breakfast");
  await page.locator(".neighbour").first().click();
  await expect.poll(() => new URL(page.url()).hash).toBe(`#/memory/${ids[0]}`);
  await page.locator(".said-text", { hasText: "The gate code is 4711" }).waitFor();
});

test("its owner shares it, takes it back, and changes who sees it; its history tells", async () => {
  const { page, go, ids, memory } = await stage();
  const [, id = ""] = ids;
  const cleo = memory.as({ tenant: "local", user: "cleo" });
  await go(`#/memory/${id}`);
  await page.getByText("Share with …").click();
  await page.getByLabel("User").fill("cleo");
  await page.getByRole("button", { name: "Share", exact: true }).click();
  await page.getByRole("button", { name: "Take back from cleo" }).waitFor();
  expect((await cleo.get(id)).text).toContain("Noted");
  expect(await page.getByRole("radio", { name: /Shared/ }).isChecked()).toBe(true);
  await page.getByRole("button", { name: "Take back from cleo" }).click();
  await page.getByText("Was taken back").or(page.getByText("was taken back")).waitFor();
  expect(await cleo.get(id).catch((error: unknown) => error)).toMatchObject({ code: "NOT_FOUND" });
  await page.getByRole("radio", { name: /Tenant/ }).check();
  await page.locator(".head .badge", { hasText: "Tenant" }).waitFor();
  expect((await cleo.get(id)).level).toBe("tenant");
  await page.getByRole("button", { name: "It helps" }).click();
  await page.getByText("30 %").waitFor();
});

test("a grant that the API refuses is refused in its words", async () => {
  const { page, go, ids } = await stage();
  await go(`#/memory/${ids[1]}`);
  await page.getByText("Share with …").click();
  await page.getByLabel("User").fill("no name");
  await page.getByRole("button", { name: "Share", exact: true }).click();
  await page.getByText("grantee.user: expected 1 to 128 letters, digits, _ . and -").waitFor();
  expect(await page.locator(".problem-code").innerText()).toBe("400 INVALID");
});

test("a memory of another user shows its text, and that the rest is its owner's", async () => {
  const { page, go, memory } = await stage();
  const { id } = await memory.as({ tenant: "local", user: "bob" }).ingest({ text: "Tea is at five.", level: "tenant" });
  await go(`#/memory/${id}`);
  await page.getByText("It belongs to bob, who lets you see it.").waitFor();
  for (const name of ["Forget …", "It helps", "Share"])
    expect(await page.getByRole("button", { name }).count()).toBe(0);
});

test("forgetting says first what goes and what changes; escape keeps it, and then it is gone", async () => {
  const { page, go, ids, memory } = await stage();
  const [gate = ""] = ids;
  const ada = memory.as({ tenant: "local", user: "ada" });
  await go(`#/memory/${gate}`);
  await page.getByRole("button", { name: "Forget …" }).click();
  await page.getByText("Its text: 57 characters").waitFor();
  await page.getByText("1 vector made of it").waitFor();
  await page.getByText("The sight of 2 users it is shared with").waitFor();
  await page.getByText("A line in the log").waitFor();
  await page.keyboard.press("Escape");
  expect(await page.locator("dialog").count()).toBe(0);
  expect((await ada.get(gate)).id).toBe(gate);
  await page.getByRole("button", { name: "Forget …" }).click();
  await page.getByRole("button", { name: "Forget for good" }).click();
  await page.getByText("12 memories").waitFor();
  expect(await ada.get(gate).catch((error: unknown) => error)).toMatchObject({ code: "NOT_FOUND" });
});
