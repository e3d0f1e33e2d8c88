import { openMemory } from "@penguiflow/memory-service";
import { expect, test } from "vitest";
import { useStages } from "./stage.ts";

const stage = useStages();

test("each flow is drawn with its nodes and edges, and its counts follow what happens", async () => {
  const memory = await openMemory();
  const { page, go } = await stage({ memory });
  await go("#/flows");
  const ingest = page.locator('[data-flow="memory.ingest"]');
  await ingest.waitFor();
  expect(await page.locator(".flow").count()).toBe(11);
  expect(await ingest.locator(".node-name").allTextContents()).toEqual([
    "normalize",
    "classify",
    "persist",
    "finalize",
  ]);
  expect(await ingest.locator(".flow-edge").count()).toBe(3);
  await ingest.getByText("0 completed").waitFor();
  await memory.as({ tenant: "local", user: "bob" }).ingest({ text: "not ada's" });
  const ada = memory.as({ tenant: "local", user: "ada" });
  await ada.ingest({ text: "The gate code is 4711." });
  await ada.ingest({ text: "The gate sticks." });
  await ingest.getByText("2 completed").waitFor();
  await ingest.getByText("persist: 2 done").waitFor({ state: "attached" });
  await ada.erase("never-was").catch(() => undefined);
  const erase = page.locator('[data-flow="memory.erase"]');
  await erase.getByText("1 failed").first().waitFor();
  await erase.locator('[data-node="authorize"][data-look="failed"]').waitFor();
  await page.locator('[data-flow="memory.embedding"]').getByText("in the background: no embedder").waitFor();
});
