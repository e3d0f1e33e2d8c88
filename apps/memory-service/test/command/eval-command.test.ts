import { writeFileSync } from "node:fs";
import path from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { sqliteStore } from "@penguiflow/memory-service/store";
import { evalCommand } from "../../src/command/eval-command.ts";
import { ownFolder } from "../own-memory.ts";

/** A made-up conversation in the form of LoCoMo's file. */
const MADE_UP = {
  conversation: {
    session_1: [
      { speaker: "Ada", dia_id: "D1:1", text: "My cat Minou sleeps on the oven." },
      { speaker: "Ben", dia_id: "D1:2", text: "Mine prefers the piano." },
    ],
    session_2: [
      { speaker: "Ada", dia_id: "D2:1", text: "The harbour was frozen in January." },
      { speaker: "Ben", dia_id: "D2:2", text: "So I bought skates." },
    ],
  },
  qa: [
    { question: "Where does Minou sleep?", evidence: ["D1:1"] },
    { question: "When was the harbour frozen?", evidence: ["D2:1"] },
    { question: "What did Ben buy?", evidence: ["D2:2"] },
    { question: "Who has a cat?", evidence: ["D1:1"] },
  ],
};

/** Returns the lines that are printed until the end of the test. */
function printedLines(): () => readonly string[] {
  const write = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  onTestFinished(() => write.mockRestore());
  return () =>
    write.mock.calls
      .map(([text]) => String(text))
      .join("")
      .trimEnd()
      .split("\n");
}

test("eval measures a file like LoCoMo's beside baselines, and writes the embedder's weight to the memory", async () => {
  const directory = ownFolder();
  const set = path.join(directory, "made-up.json");
  writeFileSync(set, JSON.stringify([MADE_UP]));
  const printed = printedLines();
  await evalCommand({ set, embedder: "hash", directory });
  const [head, ...lines] = printed();
  expect(head).toBe("locomo: 4 texts, 2 questions; mean and 95 % interval");
  expect(lines.filter((line) => !line.startsWith(" "))).toEqual([
    "newest first",
    "BM25, text alone",
    "BM25 with context",
    "service, words alone",
    expect.stringMatching(/^service, hash\S* at [\d.]+$/),
    expect.stringMatching(/^Wrote the weight [\d.]+ of hash\S* to the memory in /),
  ]);
  const measures = ["recall@5", "recall@10", "recall@20", "hit@10", "MRR", "nDCG@10"];
  const measured = lines.flatMap((line) => /^ {2}(\S+) +[\d.]+ +[\d.]+–[\d.]+$/.exec(line)?.[1] ?? []);
  expect(measured).toEqual(Array.from({ length: 5 }, () => measures).flat());
  await using store = sqliteStore({ directory });
  const [model = ""] = lines.flatMap((line) => /^service, (hash\S*) at/.exec(line)?.[1] ?? []);
  expect((await store.catalog.model(model))?.weight).toBeGreaterThan(0);
}, 120_000);

test.for([
  ["no file", "absent.json", "ENOENT"],
  ["another form", '[{"conversation":{},"qa":[{"answer":"no question"}]}]', "[0].qa[0].question"],
  ["no question", "[]", "it has no question whose answer is among its texts"],
] as const)("a set that cannot be read is named, with what is wrong: %s", async ([, content, why]) => {
  const set = path.join(ownFolder(), "made-up.json");
  if (content !== "absent.json") writeFileSync(set, content);
  const failed = evalCommand({ set, directory: undefined });
  await expect(failed).rejects.toThrow(`Cannot read the set "${set}"`);
  await expect(failed).rejects.toThrow(why);
});

test.for([
  [{ embedder: "openai:x" }, 'Option "--embedder" must be none, hash, openai:URL,MODEL,DIMS'],
  [{ most: "few" }, 'Option "--most" must be a whole number of 1 or more: got "few"'],
  [{ directory: "memory" }, 'Option "--write" needs an "--embedder"'],
] as const)("eval refuses %o before it reads a set", async ([options, why]) => {
  await expect(evalCommand({ directory: undefined, set: "absent.json", ...options })).rejects.toThrow(why);
});
