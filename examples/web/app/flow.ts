// Reads a text aloud, sentence by sentence, then summarises it. Independent of the platform it runs on.
import { create, joinK, payloadNode, shape } from "penguiflow";

export interface Text {
  readonly text: string;
  /** Time to read a sentence. */
  readonly pauseMs: number;
}

export interface Report {
  readonly sentences: number;
  readonly words: number;
  readonly longest: string;
}

const read = payloadNode("read", async ({ text, pauseMs }: Text, ctx) => {
  const sentences = text.match(/[^.!?]+[.!?]*/g) ?? [];
  for (const sentence of sentences) {
    await ctx.emitChunk({ text: sentence });
    await ctx.sleep(pauseMs);
  }
  return sentences.map((sentence) => sentence.trim());
});

const count = payloadNode("count", (sentences: string[]): Partial<Report> => ({
  sentences: sentences.length,
  words: sentences.reduce((words, sentence) => words + sentence.split(/\s+/).length, 0),
}));

const longest = payloadNode("longest", (sentences: string[]): Partial<Report> => ({
  longest: sentences.toSorted((a, b) => b.length - a.length)[0] ?? "",
}));

const both = joinK("both", 2, { input: shape<Partial<Report>>() });

const report = payloadNode("report", (parts: [Partial<Report>, Partial<Report>]): Report => ({
  sentences: 0,
  words: 0,
  longest: "",
  ...parts[0],
  ...parts[1],
}));

export function createFlow() {
  return create(read.to(count, longest), count.to(both), longest.to(both), both.to(report), { name: "reading" });
}
