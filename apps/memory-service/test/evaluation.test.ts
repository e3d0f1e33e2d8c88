import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { evaluate } from "../src/evaluation/evaluate.ts";
import { cranfield, jsonLines, locomo, readSet } from "../src/evaluation/evaluation-set.ts";
import { estimate, METRICS } from "../src/evaluation/metrics.ts";
import { ownFolder } from "./own-memory.ts";

const answered = { ranked: ["a", "b", "c", "d", "e", "f"], relevant: new Set(["b", "f", "z"]) };

test("measures count what was found, and where", () => {
  expect(METRICS["recall@5"]?.(answered)).toBeCloseTo(1 / 3);
  expect(METRICS["recall@10"]?.(answered)).toBeCloseTo(2 / 3);
  expect(METRICS["hit@10"]?.(answered)).toBe(1);
  expect(METRICS["MRR"]?.(answered)).toBe(0.5);
  const best = 1 + 1 / Math.log2(3) + 1 / Math.log2(4);
  expect(METRICS["nDCG@10"]?.(answered)).toBeCloseTo((1 / Math.log2(3) + 1 / Math.log2(7)) / best);
});

test("an interval holds the mean, and is the same every time", () => {
  const values = Array.from({ length: 100 }, (_, at) => (at % 4 === 0 ? 1 : 0));
  const { mean, low, high } = estimate(values);
  expect(mean).toBe(0.25);
  expect(low).toBeGreaterThan(0.15);
  expect(high).toBeLessThan(0.35);
  expect(estimate(values)).toEqual({ mean, low, high });
});

test("context is worth something on the conversations, and the service is no worse than BM25 with context", async () => {
  const set = await readSet("conversations", 0);
  const { measured } = await evaluate(set, ownFolder(), undefined);
  const recall = (system: string): number =>
    measured.find((one) => one.system === system)?.metrics["recall@10"]?.mean ?? 0;
  expect(recall("BM25 with context")).toBeGreaterThan(recall("BM25, text alone"));
  expect(recall("service, words alone")).toBeGreaterThanOrEqual(recall("BM25 with context") - 0.01);
  expect(recall("newest first")).toBeLessThan(recall("service, words alone"));
}, 120_000);

test("LoCoMo's file is read: turns of sessions, and questions whose evidence is known", () => {
  const sample = {
    sample_id: "conv-1",
    conversation: {
      speaker_a: "Ada",
      session_1_date_time: "1:56 pm on 8 May, 2023",
      session_1: [{ speaker: "Ada", dia_id: "D1:1", text: "Hello" }],
      session_2: [{ speaker: "Ben", dia_id: "D2:1", text: "Bye" }],
    },
    qa: [
      { question: "Who greets?", answer: "Ada", evidence: ["D1:1; D2:1"], category: 1 },
      { question: "Unknown?", evidence: ["D9:9"] },
      { question: "None?" },
    ],
  };
  const { fragments, questions } = locomo(JSON.stringify([sample]));
  expect(fragments.map(({ text, source, conversation }) => [text, source, conversation])).toEqual([
    ["Hello", "Ada", "sample-0-session_1"],
    ["Bye", "Ben", "sample-0-session_2"],
  ]);
  expect(questions).toEqual([{ user: "sample-0", query: "Who greets?", relevant: ["sample-0/D1:1", "sample-0/D2:1"] }]);
});

test("Cranfield's files are read: questions are numbered by their order, and a grade of -1 does not count", () => {
  const folder = path.join(ownFolder(), "cran");
  mkdirSync(folder);
  const record = (id: string, text: string): string => `.I ${id}\n.T\ntitle\n.A\nauthor\n.W\n${text}\n`;
  writeFileSync(path.join(folder, "cran.all.1400"), record("1", "wing flow") + record("2", "heat"));
  writeFileSync(path.join(folder, "cran.qry"), ".I 001\n.W\nwhat flows\n.I 004\n.W\nwhat is hot\n");
  writeFileSync(path.join(folder, "cranqrel"), "1 1 2\n2 2 3\n2 1 -1\n");
  const { fragments, questions } = cranfield(folder);
  expect(fragments.map(({ id, text }) => [id, text])).toEqual([
    ["1", "title wing flow"],
    ["2", "title heat"],
  ]);
  expect(questions).toEqual([
    { user: "all", query: "what flows", relevant: ["1"] },
    { user: "all", query: "what is hot", relevant: ["2"] },
  ]);
});

test("a line that is neither text nor question is refused", () => {
  expect(() => jsonLines("own", '{"id":"a"}')).toThrow("Invalid input");
});
