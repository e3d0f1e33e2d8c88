import { type Embedder, hashEmbedder, openMemory } from "@penguiflow/memory-service";
import { TestClock } from "penguiflow/testing";
import { expect, test } from "vitest";
import { useStages } from "./stage.ts";

const stage = useStages();
const ADA = { tenant: "local", user: "ada" };

/** An embedder that refuses texts with "bad" in them, as long as it is broken. */
function breakable() {
  const hashed = hashEmbedder();
  const state = { isBroken: true };
  const embedder: Embedder = {
    ...hashed,
    embed: async (texts, signal, kind) => {
      if (state.isBroken && texts.some((text) => text.includes("bad"))) throw new Error("It cannot be read");
      return await hashed.embed(texts, signal, kind);
    },
  };
  return { state, embedder };
}

test("a dead job is shown with the kind of its failure, retried, and gone when it is done", async () => {
  const clock = new TestClock(Date.now());
  const { state, embedder } = breakable();
  const memory = await openMemory({ embedder, clock });
  await memory.as(ADA).ingest([{ text: "good" }, { text: "a bad one" }]);
  await memory.as({ tenant: "local", user: "bob" }).ingest({ text: "bob's bad one" });
  for (let attempt = 0; attempt < 60; attempt++) {
    await clock.advance(60_000);
    await memory.drained();
  }
  const { page, go } = await stage({ memory });
  await go("#/queue");
  const figures = page.locator(".figures");
  await figures.getByText("dead").waitFor();
  // bob's dead job is not ada's
  expect(await figures.innerText()).toMatch(/0\s+waiting\s+0\s+running\s+1\s+dead/);
  expect(await page.locator(".job").allInnerTexts()).toEqual([
    expect.stringContaining("8 attempts · last failure: Error"),
  ]);
  await page.getByText("1 of 2").waitFor();
  await page.getByRole("radio", { name: "Waiting" }).check();
  await page.getByText("None in this state.").waitFor();
  await page.getByRole("radio", { name: "All" }).check();
  state.isBroken = false;
  await page.getByRole("button", { name: "Retry dead jobs" }).click();
  await page.getByText("1 job waits again").waitFor();
  await clock.advance(1_000);
  await memory.drained();
  await page.getByText("No job waits: every memory of yours has its vector.").waitFor();
  await page.getByText("2 of 2").waitFor();
  expect(await page.getByRole("button", { name: "Retry dead jobs" }).isDisabled()).toBe(true);
});

test("without an embedder the page says that nothing has to wait", async () => {
  const { page, go } = await stage({ memory: await openMemory() });
  await go("#/queue");
  await page.getByText("No embedder").waitFor();
  expect(await page.locator(".none").innerText()).toBe("No job waits.");
});
