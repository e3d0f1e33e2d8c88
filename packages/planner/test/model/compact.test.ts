import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { defaultPrompt, type ToolOutput, type Turn } from "../../src/index.ts";
import { compact, compactRange } from "../../src/model/compact.ts";

const outputs: ToolOutput[] = [
  { kind: "text", text: "r".repeat(2_000) },
  { kind: "json", value: { big: "j".repeat(2_000) } },
  { kind: "content", parts: [{ type: "file", mediaType: "image/png", data: "AAAA" }] },
  { kind: "error", code: "TOOL_FAILED", text: "broken" },
  { kind: "denied", reason: "not today" },
  { kind: "unknown", text: "cut off" },
];

/** A log: a person's message, then steps with up to three calls, whose results come anywhere later, or never. */
const logs: fc.Arbitrary<Turn[]> = fc
  .array(
    fc.record({
      calls: fc.array(fc.record({ after: fc.nat(6), hasResult: fc.boolean(), output: fc.constantFrom(...outputs) }), {
        maxLength: 3,
      }),
      steered: fc.boolean(),
    }),
    { maxLength: 8 },
  )
  .map((steps) => {
    const turns: Turn[] = [{ role: "user", parts: [{ type: "text", text: "user 0" }] }];
    const late: Array<{ readonly after: number; readonly turn: Turn }> = [];
    for (const [step, { calls, steered }] of steps.entries()) {
      const ids = calls.map((_, index) => ({ callId: `${step}.${index}`, providerId: `p${index}`, tool: `t${index}` }));
      turns.push({
        role: "model",
        parts: [
          { type: "text", text: `step ${step}` },
          ...ids.map((id) => ({ type: "call", input: "{}", ...id }) as const),
        ],
      });
      for (const [index, { after, hasResult, output }] of calls.entries()) {
        const id = ids[index];
        if (hasResult && id) late.push({ after: turns.length + after, turn: { role: "tool", ...id, output } });
      }
      if (steered) turns.push({ role: "user", parts: [{ type: "text", text: `user ${step + 1}` }] });
      for (const { turn } of late.filter(({ after }) => after <= turns.length)) turns.push(turn);
      late.splice(0, late.length, ...late.filter(({ turn }) => !turns.includes(turn)));
    }
    return [...turns, ...late.map(({ turn }) => turn)];
  });

/** Lists what is wrong with a prompt: each call is answered once, by the message behind it, in order; nothing else is. */
function faultsOf(turns: readonly Turn[]): string[] {
  const prompt = defaultPrompt({ instructions: "", tools: [], memory: { turns: [] }, turns });
  const idsIn = (index: number, type: "tool-call" | "tool-result"): string => {
    const content = prompt[index]?.content ?? [];
    const parts = typeof content === "string" ? [] : content;
    return parts.map((part) => (part.type === type ? part.toolCallId : "")).join();
  };
  return prompt.flatMap(({ role, content }, index) => {
    const faults: string[] = [];
    if (content.length === 0) faults.push(`message ${index} is empty`);
    if (role === "tool" && prompt[index - 1]?.role !== "assistant") faults.push(`message ${index} answers no call`);
    if (role !== "assistant") return faults;
    const calls = idsIn(index, "tool-call").replace(/^,+/, "");
    const results = prompt[index + 1]?.role === "tool" ? idsIn(index + 1, "tool-result") : "";
    if (calls !== results) faults.push(`message ${index} calls ${calls}, and the next answers ${results}`);
    return faults;
  });
}

/** Lists results whose call is not among the turns. */
function orphansIn(turns: readonly Turn[]): string[] {
  const parts = turns.flatMap((turn) => (turn.role === "model" ? turn.parts : []));
  const calls = new Set(parts.map((part) => (part.type === "call" ? part.callId : "")));
  return turns.flatMap((turn) => (turn.role === "tool" && !calls.has(turn.callId) ? [turn.callId] : []));
}

const people = (turns: readonly Turn[]) =>
  turns.flatMap((turn) => (turn.role === "user" ? turn.parts.map((part) => "text" in part && part.text) : []));

describe("compaction", () => {
  test("case 46: at every possible cut leaves no call without its result, no result without its call, and every user's word", () => {
    fc.assert(
      fc.property(logs, (turns) => {
        const before = structuredClone(turns);
        for (let from = 0; from <= turns.length; from += 1) {
          for (let to = from; to <= turns.length; to += 1) {
            const kept = compact(turns, { from, to });
            const faults = [...faultsOf(kept), ...orphansIn(kept)];
            if (people(kept).join() !== people(turns).join()) faults.push("a person's word is missing");
            expect(faults).toEqual([]);
          }
        }
        expect(turns).toEqual(before);
      }),
      { numRuns: 50 },
    );
  });

  test("records what it leaves out: calls, results, denials, and what is not known", () => {
    const call = (step: number, tool: string): Turn => ({
      role: "model",
      parts: [{ type: "call", callId: `${step}.0`, providerId: "p", tool, input: '{"to":"ada"}' }],
    });
    const result = (step: number, tool: string, output: ToolOutput): Turn => ({
      role: "tool",
      callId: `${step}.0`,
      providerId: "p",
      tool,
      output,
    });
    const turns: Turn[] = [
      { role: "user", parts: [{ type: "text", text: "Go" }] },
      call(1, "mail"),
      result(1, "mail", { kind: "unknown", text: "It is not known whether the mail was sent." }),
      call(2, "pay"),
      result(2, "pay", { kind: "denied", reason: "too much" }),
      call(3, "read"),
      result(3, "read", { kind: "text", text: "x".repeat(10_000) }),
    ];
    const [first, note, ...others] = compact(turns, { from: 1, to: 5 });
    expect([first, ...others]).toEqual([turns[0], turns[5], turns[6]]);
    const text = note?.role === "note" ? note.text : "";
    expect(JSON.parse(text.slice(text.indexOf("[")))).toEqual([
      {
        said: "",
        calls: [{ tool: "mail", args: '{"to":"ada"}', unknown: "It is not known whether the mail was sent." }],
      },
      { said: "", calls: [{ tool: "pay", args: '{"to":"ada"}', denied: "too much" }] },
    ]);
  });

  test("chooses whole steps, the oldest, until half is left, and never the last", () => {
    fc.assert(
      fc.property(logs, (turns) => {
        const range = compactRange(turns);
        const steps = turns.flatMap(({ role }, index) => (role === "model" ? [index] : []));
        expect(range === undefined).toBe(steps.length < 2);
        if (range === undefined) return;
        expect(range.from).toBe(steps[0]);
        expect(steps.slice(1)).toContain(range.to);
      }),
    );
  });

  test("makes a long run shorter by half", () => {
    const turns: Turn[] = [{ role: "user", parts: [{ type: "text", text: "Go" }] }];
    for (let step = 1; step <= 20; step += 1) {
      const id = { callId: `${step}.0`, providerId: "p", tool: "read" };
      turns.push({ role: "model", parts: [{ type: "call", input: "{}", ...id }] });
      turns.push({ role: "tool", ...id, output: { kind: "text", text: "x".repeat(4_000) } });
    }
    const range = compactRange(turns);
    expect(range).toEqual({ from: 1, to: 23 });
    const length = (of: unknown) => JSON.stringify(of).length;
    expect(length(compact(turns, range ?? { from: 0, to: 0 }))).toBeLessThan(length(turns) * 0.6);
  });
});
