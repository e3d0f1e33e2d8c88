import { openMemory } from "@penguiflow/memory-service";
import { expect, test } from "vitest";
import { useStages } from "./stage.ts";

const stage = useStages();

test("the token of the address is taken off it, and kept in this tab alone", async () => {
  const { page, context, server } = await stage();
  expect(new URL(page.url()).hash).toBe("#/memories");
  expect(await page.evaluate("[sessionStorage.length, localStorage.length, document.cookie]")).toEqual([1, 0, ""]);
  const other = await context.newPage();
  await other.goto(`${server.url}/`);
  await other.getByRole("heading", { name: "Sign in to your memory", level: 1 }).waitFor();
});

test("a key signs in; a wrong one is refused in the words of the API, and signing out forgets it", async () => {
  const memory = await openMemory();
  const { page } = await stage({ memory, keys: true });
  await memory.as({ tenant: "house", user: "ada" }).ingest({ text: "The gate code is 4711." });
  const secret = await memory.keys.create({ tenant: "house" });
  const key = page.getByLabel("Key, or the token that the server printed");
  await key.fill("pgm_wrong");
  await page.keyboard.press("Enter");
  await page.getByText("A key is needed: Authorization: Bearer …").waitFor();
  await page.getByText("401 UNAUTHENTICATED").waitFor();
  await key.fill(secret);
  await page.keyboard.press("Enter");
  await page.getByText("A key of a whole tenant needs the header Memory-User").waitFor();
  await page.getByLabel("User").fill("ada");
  await page.keyboard.press("Enter");
  await page.getByText("The gate code is 4711.").waitFor();
  await page.getByText("house · read, write, share").waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await key.waitFor();
  expect(await page.evaluate("sessionStorage.length")).toBe(0);
});

test("a key that is revoked ends the session, and the page shows nothing more", async () => {
  const memory = await openMemory();
  const { page } = await stage({ memory, keys: true });
  const secret = await memory.keys.create({ tenant: "house", user: "ada" });
  await page.getByLabel("Key, or the token that the server printed").fill(secret);
  await page.keyboard.press("Enter");
  await page.getByText("Nothing is kept yet").waitFor();
  await memory.keys.revoke(secret);
  await page.getByRole("link", { name: "Queue" }).click();
  await page.getByText("The server does not know this key any more").waitFor();
  expect(await page.locator(".rail").count()).toBe(0);
});

test("a key that may only read is offered no change", async () => {
  const memory = await openMemory();
  const { page, go } = await stage({ memory, keys: true });
  const { id } = await memory.as({ tenant: "house", user: "ada" }).ingest({ text: "The gate code is 4711." });
  const secret = await memory.keys.create({ tenant: "house", user: "ada", scopes: ["read"] });
  await page.getByLabel("Key, or the token that the server printed").fill(secret);
  await page.keyboard.press("Enter");
  await page.getByText("The gate code is 4711.").waitFor();
  expect(await page.getByRole("button", { name: "Remember …" }).count()).toBe(0);
  await go(`#/memory/${id}`);
  await page.getByText("Who sees it").waitFor();
  for (const name of ["Forget …", "It helps"]) expect(await page.getByRole("button", { name }).count()).toBe(0);
  expect(await page.getByRole("radio", { name: /Tenant/ }).isDisabled()).toBe(true);
});
