import { hashEmbedder, openMemory } from "@penguiflow/memory-service";
import { expect, test } from "vitest";
import { HOSTILE } from "./household.ts";
import { useStages } from "./stage.ts";

const stage = useStages();
const ADA = { tenant: "local", user: "ada" };

test("memories are listed, searched and filtered, and the address remembers it", async () => {
  const { page } = await stage();
  await page.getByText("13 memories").waitFor();
  await page.getByRole("searchbox").fill("vet dog");
  await page.getByText("best first").waitFor();
  await page.getByText("words #1").waitFor();
  await page.reload();
  expect(await page.getByRole("searchbox").inputValue()).toBe("vet dog");
  await page.getByRole("searchbox").fill("");
  await page.getByText("13 memories").waitFor();
  await page.getByRole("radio", { name: "Shared" }).check();
  await page.getByText("1 memory").waitFor();
  expect(new URL(page.url()).hash).toBe("#/memories?level=shared");
});

test("what is refused is shown in the words of the API", async () => {
  const { page } = await stage();
  await page.getByText("More filters").click();
  await page.getByLabel("Conversation").fill("not a name");
  await page.keyboard.press("Enter");
  await page.getByText("conversation: expected 1 to 128 letters, digits, _ . and -").waitFor();
  expect(await page.locator(".problem-code").innerText()).toBe("400 INVALID");
});

test("older memories come page by page, each once", async () => {
  const memory = await openMemory();
  const texts = Array.from({ length: 70 }, (_, at) => ({ text: `number ${at}.` }));
  await memory.as(ADA).ingest(texts);
  const { page } = await stage({ memory });
  await page.getByText("the newest 50").waitFor();
  await page.getByRole("button", { name: "Show older" }).click();
  await page.getByText("number 0.").waitFor();
  expect(await page.locator(".memory-row").count()).toBe(70);
  expect(await page.getByRole("button", { name: "Show older" }).count()).toBe(0);
});

test("a text is remembered word for word, and hostile text stays text on every screen", async () => {
  const memory = await openMemory({ embedder: hashEmbedder() });
  const { page, go, complaints, strayed } = await stage({ memory });
  await page.getByRole("button", { name: "Remember …" }).click();
  await page.getByLabel("Text, kept word for word").fill(HOSTILE);
  await page.getByLabel("Who said it (optional)").fill("<b>Eve</b>");
  await page.getByLabel("Conversation (optional)").fill("c");
  await page.getByRole("button", { name: "Remember", exact: true }).click();
  await page.locator(".memory-row").waitFor();
  expect(await page.locator(".memory-text").textContent()).toBe(HOSTILE);
  const [{ id } = { id: "" }] = (await memory.as(ADA).list()).items;
  for (const screen of [
    `#/memory/${id}`,
    "#/ask?q=img%20onerror%20document",
    "#/memories?q=onerror",
    "#/queue",
    "#/flows",
  ]) {
    await go(screen);
    await page.locator(".page > :not(:empty)").first().waitFor();
  }
  await go(`#/memory/${id}`);
  expect(await page.locator(".said-text").textContent()).toBe(HOSTILE);
  await go("#/ask?q=img%20onerror%20document");
  await page.locator(".steps-text").waitFor();
  expect(await page.locator(".steps-text").textContent()).toBe(HOSTILE);
  expect(await page.locator("main img, main script, main b").count()).toBe(0);
  expect(await page.title()).not.toBe("owned");
  expect([complaints, strayed]).toEqual([[], []]);
});

test("the policy holds: no code turns a string into HTML, and no inline script or style runs", async () => {
  const { page } = await stage();
  const refused = await page.evaluate<string>(
    `(() => { try { document.body.innerHTML = "<p>x</p>"; return "done"; } catch (error) { return error.name; } })()`,
  );
  expect(refused).toBe("TypeError");
  const ran = await page.evaluate<boolean>(
    `(() => { const node = document.createElement("style"); node.append("body { display: none }"); document.head.append(node); return getComputedStyle(document.body).display === "none"; })()`,
  );
  expect(ran).toBe(false);
});

test("nothing of another user or tenant is on any screen", async () => {
  const { page, go, memory, ids } = await stage();
  const bob = memory.as({ tenant: "local", user: "bob" });
  const [{ id } = { id: "" }] = (await bob.list({ owner: "bob" })).items;
  const [gate] = ids;
  for (const screen of [
    "#/memories",
    "#/memories?q=gate",
    `#/memory/${gate}`,
    `#/memory/${id}`,
    "#/ask?q=gate&limit=50",
    "#/queue",
    "#/flows",
  ]) {
    await go(screen);
    await page.waitForLoadState("networkidle");
    const shown = await page.locator("main").innerText();
    for (const secret of ["teapot", "office gate", "Bob’s secret"]) expect(shown).not.toContain(secret);
  }
  await go(`#/memory/${id}`);
  await page.getByText("No such fragment").waitFor();
  await go("#/memory/never-was");
  await page.getByText("No such fragment").waitFor();
  // bob has kept one and eve one: ada's counts know of her 13 alone
  await go("#/flows");
  await page.locator('[data-flow="memory.ingest"]').getByText("13 completed").waitFor();
});
