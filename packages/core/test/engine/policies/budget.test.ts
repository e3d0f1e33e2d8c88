import * as fc from "fast-check";
import { expect, test } from "vitest";
import { FlowErrorCode, WM } from "penguiflow";
import { nextLoopStep, shrinkBudget } from "../../../src/engine/policies/budget.ts";

const count = fc.nat(20);
const budget = fc.option(count, { nil: null });
const memory = fc
  .record({ hops: count, budgetHops: budget, tokensUsed: count, budgetTokens: budget })
  .map((parts) => new WM({ query: "q", ...parts }));

test("a step of a loop adds at least one hop and never takes one back, and stops at the first budget that is reached", () => {
  fc.assert(
    fc.property(memory, memory, (before, returned) => {
      const step = nextLoopStep(before, returned);
      const hops = Math.max(returned.hops, before.hops + 1);
      const isReached = (used: number, limit: number | null): boolean => limit !== null && used >= limit;
      const code = isReached(hops, returned.budgetHops)
        ? FlowErrorCode.HOP_BUDGET_EXHAUSTED
        : isReached(returned.tokensUsed, returned.budgetTokens)
          ? FlowErrorCode.TOKEN_BUDGET_EXHAUSTED
          : undefined;
      expect(step).toEqual(code ?? returned.with({ hops }));
    }),
  );
});

test("the first WM of a loop counts as one hop, whatever began the loop", () => {
  expect(nextLoopStep("a question", new WM({ query: "q" }))).toEqual(new WM({ query: "q", hops: 1 }));
});

test("a child's budgets never allow more than its parent has left, and never more than they did", () => {
  const left = (limit: number | null, used: number) =>
    limit === null ? Number.POSITIVE_INFINITY : Math.max(0, limit - used);
  fc.assert(
    fc.property(memory, memory, (parent, child) => {
      const shrunk = shrinkBudget(parent, child) as WM;
      expect(left(shrunk.budgetHops, shrunk.hops)).toBe(
        Math.min(left(parent.budgetHops, parent.hops), left(child.budgetHops, child.hops)),
      );
      expect(left(shrunk.budgetTokens, shrunk.tokensUsed)).toBe(
        Math.min(left(parent.budgetTokens, parent.tokensUsed), left(child.budgetTokens, child.tokensUsed)),
      );
      expect([shrunk.hops, shrunk.tokensUsed, shrunk.query]).toEqual([child.hops, child.tokensUsed, child.query]);
    }),
  );
});

test("payloads that are no WM are not touched", () => {
  const payload = { budgetHops: 3 };
  expect(shrinkBudget(new WM({ query: "q" }), payload)).toBe(payload);
  const child = new WM({ query: "q" });
  expect(shrinkBudget("a question", child)).toBe(child);
});
