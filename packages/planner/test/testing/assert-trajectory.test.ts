import { describe, expect, test } from "vitest";
import type { PlanEvent } from "../../src/index.ts";
import { assertTrajectory, type ExpectedEvent } from "../../src/testing/index.ts";

type Said = PlanEvent extends infer Each
  ? Each extends PlanEvent
    ? Omit<Each, "seq" | "at" | "runId" | "step" | "path">
    : never
  : never;

const run: readonly Said[] = [
  { type: "text", delta: "Let me look." },
  {
    ...{ type: "step", text: "Let me look.", model: "m", provider: "p" },
    ...{ tokens: 15, tokensIn: 10, tokensOut: 5, costUsd: 0, ms: 1, attempt: 1 },
  },
  { type: "call", callId: "1.0", tool: "search", args: { query: "rome", limit: 3 } },
  { type: "call", callId: "1.1", tool: "mail", args: { to: "bob" } },
  { type: "result", callId: "1.1", tool: "mail", output: { kind: "denied", reason: "no" }, ms: 1, attempt: 1 },
  { type: "result", callId: "1.0", tool: "search", output: { kind: "text", text: "found" }, ms: 1, attempt: 1 },
  {
    type: "end",
    end: {
      status: "completed",
      output: "Done",
      text: "Done",
      runId: "r",
      steps: [],
      spent: { steps: 1, toolCalls: 2, tokens: 15, costUsd: 0 },
    },
  },
];
const events = run.map((said, seq): PlanEvent => ({ seq, at: 0, runId: "r", step: 1, path: [], ...said }));

function failure(expected: readonly (ExpectedEvent | readonly ExpectedEvent[])[]): string {
  try {
    assertTrajectory(events, expected);
  } catch (error) {
    return (error as Error).message;
  }
  return "";
}

describe("a trajectory", () => {
  test("matches by type, by some properties, and in any order within a group", () => {
    expect(failure(["step", "call", "call", "result", "result", "end"])).toBe("");
    const some: readonly (ExpectedEvent | readonly ExpectedEvent[])[] = [
      { type: "call", tool: "search", args: { query: "rome" } },
      { type: "call", tool: "mail" },
      [
        { type: "result", callId: "1.0" },
        { type: "result", output: { kind: "denied" } },
      ],
      { type: "end", end: { status: "completed" } },
    ];
    expect(failure(some)).toBe("");
    expect(failure([{ type: "end", end: { text: "Done" } }])).toBe("");
  });

  test("differs at the first event that is another, and shows where", () => {
    expect(
      failure([{ type: "call", tool: "search" }, { type: "call", tool: "mail", args: { to: "ada" } }, "end"]),
    ).toBe(
      [
        "The trajectory differs at event 2 of the types that are named (- expected, + got):",
        '    call, step 1: {"callId":"1.0","tool":"search","args":{"query":"rome","limit":3}}',
        '  - {"type":"call","tool":"mail","args":{"to":"ada"}}',
        '  + call, step 1: {"callId":"1.1","tool":"mail","args":{"to":"bob"}}',
        '      args.to: expected "ada", got "bob"',
        '    end, step 1: {"end":{"status":"completed","output":"Done","text":"Done","runId":"r"}}',
      ].join("\n"),
    );
  });

  test("differs when an event of a type that is named is not expected, or is missing", () => {
    expect(failure([{ type: "call", tool: "search" }])).toContain(
      '  - nothing more\n  + call, step 1: {"callId":"1.1"',
    );
    expect(failure(["end", "end"])).toContain('  - "end"\n  + nothing more');
    expect(failure(["paused"])).toContain('  - "paused"\n  + nothing more');
  });

  test("differs when the order of what is no group does", () => {
    expect(failure([{ type: "result", callId: "1.0" }, "result"])).toContain('callId: expected "1.0", got "1.1"');
    expect(failure([["result", "call", "call", "result"]])).toBe("");
    expect(failure([["call", "end"], "result"])).toContain("event 2");
  });
});
