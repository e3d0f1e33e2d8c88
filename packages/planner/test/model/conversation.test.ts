import { describe, expect, test } from "vitest";
import { conversationOf, dropConversation } from "../../src/model/conversation.ts";
import { defaultPrompt, promptOf } from "../../src/model/prompt.ts";
import type { Entry } from "../../src/plan/entry.ts";
import { turnsOf } from "../../src/plan/projection.ts";

const said = (text: string, by?: string): Entry => ({
  at: 0,
  step: 0,
  type: "said",
  parts: [{ type: "text", text }],
  ...(by !== undefined && { by }),
});

const turn = (step: number, calls: number, text = ""): Entry => ({
  at: 0,
  step,
  type: "turn",
  parts: [
    { type: "text", text },
    ...Array.from({ length: calls }, (_, index) => ({
      type: "call" as const,
      callId: `${step}.${index}`,
      providerId: `p${index}`,
      tool: "look",
      input: "{}",
    })),
  ],
  text,
  finish: "stop",
  tokens: 1,
  tokensIn: 1,
  tokensOut: 0,
  model: "m",
  provider: "p",
  costUsd: 0,
  ms: 0,
  attempt: 1,
});

const result = (callId: string, text: string): Entry => ({
  at: 0,
  step: 1,
  type: "result",
  callId,
  providerId: "p",
  tool: "look",
  output: { kind: "text", text },
  ms: 0,
  attempt: 1,
});

const log: readonly Entry[] = [
  { at: 0, step: 0, type: "memory", turns: [{ runId: "r", user: "Hello", answer: "Hi", tools: [] }] },
  said("Where?"),
  turn(1, 2, "I look."),
  result("1.1", "second"),
  said("Hurry", "ann"),
  result("1.0", "first"),
  turn(2, 0, "unusable"),
  { at: 0, step: 2, type: "repair", why: "Again" },
  said("Please", "ann"),
  turn(3, 1),
  result("3.0", "third"),
  turn(4, 0, "Here."),
];

const given = { instructions: "Find it", tools: [], memory: { turns: [] } };

/** Returns the prompt that the conversation of a run makes, and the one made of its whole log. */
function prompts(run: object, entries: readonly Entry[]): [unknown, unknown] {
  const { messages } = conversationOf(run, entries);
  return [promptOf(given, messages), defaultPrompt({ ...given, turns: turnsOf(entries) })];
}

describe("the conversation of a run", () => {
  test.each([1, 2, 3, 5])("gives the prompt of its whole log however it grows: %i entries at a time", (pace) => {
    const run = {};
    for (let length = pace; length < log.length + pace; length += pace) {
      const [grown, whole] = prompts(run, log.slice(0, length));
      expect(grown).toEqual(whole);
    }
  });

  test("is not that of entries which were undone", () => {
    const run = {};
    prompts(run, [said("Where?"), turn(1, 0, "lost")]);
    const [grown, whole] = prompts(run, [said("Where?"), turn(1, 0, "kept"), said("And?", "ann")]);
    expect(grown).toEqual(whole);
    const [shorter, wholeShorter] = prompts(run, [said("Where?")]);
    expect(shorter).toEqual(wholeShorter);
  });

  test("is projected anew once it was dropped", () => {
    const run = {};
    const entries = [said("Where?"), turn(1, 0, "there")];
    const before = conversationOf(run, entries);
    expect(conversationOf(run, entries)).toBe(before);
    dropConversation(run);
    const after = conversationOf(run, entries);
    expect(after).not.toBe(before);
    expect(after.messages).toEqual(before.messages);
  });

  test("leaves alone the prompts that were given before, and an object that is looked at", () => {
    const run = {};
    const before = promptOf(given, conversationOf(run, [said("Where?")]).messages);
    const copy = structuredClone(before);
    conversationOf(run, [said("Where?"), said("Now?", "ann")]);
    expect(before).toEqual(copy);
    expect(Reflect.ownKeys(run)).toEqual([]);
  });
});
