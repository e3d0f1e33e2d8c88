import { FinalAnswer, type StreamChunk } from "penguiflow";
import { describe, expect, test } from "vitest";
import { createAnsweringFlow } from "../src/answering-flow.ts";
import { BIRDS, makeLibrary } from "./made-library.ts";

async function ask(question: string) {
  await using flow = createAnsweringFlow();
  flow.run({ resources: { library: makeLibrary(BIRDS) } });
  const chunks: StreamChunk[] = [];
  const answers: FinalAnswer<unknown>[] = [];
  for await (const item of flow.stream(question)) {
    if (item.type === "chunk") chunks.push(item.chunk);
    else if (item.type === "result") answers.push(item.result);
  }
  const said = (node: string) => chunks.filter((chunk) => chunk.node === node && chunk.text !== "");
  return { answers, searches: said("plan").map((chunk) => chunk.text), sentences: said("compose") };
}

describe("the answering flow", () => {
  test("streams what it answers, and ends with the same as one FinalAnswer", async () => {
    const { answers, searches, sentences } = await ask("Do penguins eat krill?");
    expect(searches).toHaveLength(1);
    expect(answers).toHaveLength(1);
    expect(answers[0]).toBeInstanceOf(FinalAnswer);
    expect(answers[0]?.text).toBe(sentences.map((chunk) => chunk.text.trimEnd()).join("\n"));
    expect(sentences[0]?.meta).toEqual({ citation: "penguins.md:7" });
    expect(answers[0]?.citations).toEqual([
      {
        file: "penguins.md",
        startLine: 7,
        endLine: 7,
        headings: ["Penguins", "Food"],
        worth: expect.any(Number) as number,
      },
    ]);
  });

  test("runs its controller once more for each search that was not enough", async () => {
    expect((await ask("penguis")).searches).toHaveLength(2);
    expect((await ask("krill zebra quagga")).searches).toHaveLength(3);
  });

  test("ends with an empty answer when there is nothing to say", async () => {
    const { answers, sentences } = await ask("zebra");
    expect(sentences).toEqual([]);
    expect(answers).toEqual([new FinalAnswer({ text: "" })]);
  });

  test("keeps many questions at once apart", async () => {
    await using flow = createAnsweringFlow();
    flow.run({ resources: { library: makeLibrary(BIRDS) } });
    const questions = Array.from({ length: 50 }, (_, n) => (n % 2 === 0 ? "krill" : "owls at night"));
    const answers = await Promise.all(questions.map((question) => flow.call(question)));
    for (const [position, answer] of answers.entries()) {
      expect(answer.text).toContain(position % 2 === 0 ? "krill" : "night");
      expect(answer.text).not.toContain(position % 2 === 0 ? "night" : "krill");
    }
  });
});
