import { Message, type TraceRecord } from "penguiflow";
import { describe, expect, test } from "vitest";
import type { LawShape } from "../../src/testing/laws/record-laws.ts";
import { brokenTurns } from "../../src/testing/laws/turn-laws.ts";

const shape: LawShape = {
  entriesWith: () => undefined,
  isOrdered: () => true,
  groupSize: () => undefined,
  targets: () => undefined,
  shareOf: (node, tenant) => (node !== "desk" ? undefined : tenant === "rich" ? 3 : 1),
};

/** Creates the records of a node from turns: in `story`, `+a` enqueues a message of a tenant, `a` handles one. */
function recordsOf(story: string, node = "desk"): TraceRecord[] {
  const names: Readonly<Record<string, string>> = { a: "ada", b: "bob", r: "rich" };
  const waiting: Record<string, string[]> = {};
  const message = new Message({ payload: "x" });
  return story.split(" ").flatMap((step, index): TraceRecord[] => {
    const letter = step.at(-1) as string;
    const tenant = names[letter] as string;
    const line = (waiting[letter] ??= []);
    const place = (run: string) => ({ run, traceId: run, tenant, node, lineage: run });
    if (step.startsWith("+")) {
      line.push(String(index));
      return [{ type: "accepted", ...place(String(index)), message }];
    }
    const run = place(line.shift() as string);
    return [
      { type: "started", ...run, attempt: 1 },
      { type: "committed", ...run, attempt: 1, outputs: [] },
    ];
  });
}

const broken = (story: string, node?: string): string[] => brokenTurns(recordsOf(story, node), () => shape);

describe("the checker of turns", () => {
  test("finds nothing where tenants take turns", () => {
    expect(broken("+a +a +a +b +b +b a b a b a b")).toEqual([]);
  });

  test("notices a tenant that waits while another is served again and again", () => {
    expect(broken("+b +a a +a a +a a +a a +a a b")).toEqual([
      'L6 at record 11: tenant "bob" waits for "desk" and had 0 turns while "ada" had 4',
      'L6 at record 14: tenant "bob" waits for "desk" and had 0 turns while "ada" had 5',
    ]);
  });

  test("lets a tenant have more turns that has a greater share, and no more than that", () => {
    expect(broken("+b +b +r +r +r +r +r +r r r r b r r r b")).toEqual([]);
    expect(broken("+b +r +r +r +r +r +r r r r r r r")).toHaveLength(1);
  });

  test("begins anew when a tenant has nothing that waits", () => {
    expect(broken("+b +a a +a a +a a b +a a +a a +b +a a +a a b")).toEqual([]);
  });

  test("counts no message as waiting that a handler took before the commit that sent it was told", () => {
    const place = { run: "taker", traceId: "taker", tenant: "bob" };
    const message = new Message({ payload: "x" });
    const taken: TraceRecord[] = [
      { type: "fetched", ...place, node: "desk", lineage: "early" },
      {
        type: "committed",
        ...place,
        node: "elsewhere",
        lineage: "sender",
        attempt: 1,
        outputs: [{ node: "desk", lineage: "early", message }],
      },
    ];
    expect(brokenTurns([...taken, ...recordsOf("+a a +a a +a a +a a")], () => shape)).toEqual([]);
  });

  test("leaves alone what gives no turns", () => {
    expect(broken("+b +a a +a a +a a +a a +a a b", "elsewhere")).toEqual([]);
  });
});
