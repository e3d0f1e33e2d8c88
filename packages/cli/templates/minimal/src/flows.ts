import { create, payloadNode } from "penguiflow";

const split = payloadNode("split", (text: string) => text.split(/(?<=[.!?])\s+/).filter((sentence) => sentence !== ""));

// a chunk reaches the caller at once, the result when the flow is done
const count = payloadNode("count", async (sentences: string[], ctx) => {
  let words = 0;
  for (const sentence of sentences) {
    const number = sentence.split(/\s+/).length;
    await ctx.emitChunk({ text: `${number} words: ${sentence}\n` });
    words += number;
  }
  return { sentences: sentences.length, words };
});

const report = payloadNode("report", ({ sentences, words }: { sentences: number; words: number }) => {
  return `${sentences} sentences, ${words} words`;
});

export const flow = create(split.to(count), count.to(report), { name: "words" });
