import { openMemory } from "@penguiflow/memory-service";
import { expect, test } from "vitest";
import { useStages } from "./stage.ts";

const stage = useStages();
const ADA = { tenant: "local", user: "ada" };

test("an answer says what was searched, and each candidate its whole way", async () => {
  const { page, go } = await stage();
  await go("#/ask");
  await page.getByLabel("Question").fill("What is the code of the gate?");
  await page.getByLabel("at most").fill("2");
  await page.keyboard.press("Enter");
  await page.getByText("2 of 12 candidates are in the answer").waitFor();
  expect(await page.locator(".searched .tag").allInnerTexts()).toEqual([
    "code",
    "gate",
    "hash-trigrams-256, weight 0.25",
  ]);
  await page.getByText("Ordered by the heuristic: no other way is configured").waitFor();
  expect(await page.locator(".answer > li").count()).toBe(2);
  expect(await page.locator(".ways-stage").allTextContents()).toEqual([
    "Words",
    "Vectors",
    "Fused",
    "Factors",
    "Diverse",
  ]);
  expect(await page.locator(".way").count()).toBe(12);
  expect(await page.locator(".way[data-cut=limit]").count()).toBe(10);
  // the first is told of at once, another when it is chosen
  expect(await page.locator(".step-list").innerText()).toMatch(/Place 1, which gives 16\.4 points\./);
  await page.getByRole("button", { name: /The neighbour has a key/ }).click();
  expect(await page.locator(".step-list").innerText()).toContain("Left out: the answer has its 2 memories already.");
  expect(await page.locator(".way.marked").count()).toBe(1);
  await page.getByText("In numbers").click();
  expect(await page.locator(".numbers tbody tr").count()).toBe(12);
});

test("a reranker has a stage of its own, and a cut by tokens says which", async () => {
  const rerank = async (_: string, texts: readonly string[]): Promise<number[]> =>
    await Promise.resolve(texts.map((text) => -text.length));
  const memory = await openMemory({ reranker: { use: { name: "shortest", rerank } } });
  await memory.as(ADA).ingest([{ text: `gate ${"long ".repeat(60)}` }, { text: "gate" }]);
  const { page, go } = await stage({ memory });
  await go("#/ask?q=gate&limit=5&maxTokens=20");
  await page.getByText("1 of 2 candidates are in the answer").waitFor();
  expect(await page.locator(".ways-stage").allTextContents()).toEqual([
    "Words",
    "Fused",
    "Factors",
    "Rerank",
    "Diverse",
  ]);
  await page.getByText("Found by words alone: no other way is configured").waitFor();
  await page.getByRole("button", { name: /cut: tokens/ }).click();
  await page.getByText(/Left out: its \d+ tokens do not fit into the 20 of the answer/).waitFor();
  await page.getByText("shortest puts it at place 2.").waitFor();
});

test("a question that the API refuses is refused in its words", async () => {
  const { page, go } = await stage();
  await go("#/ask?q=gate&limit=51");
  await page.getByText(/limit: Too big/).waitFor();
  expect(await page.locator(".problem-code").innerText()).toBe("400 INVALID");
});
