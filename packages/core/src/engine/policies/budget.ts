import { BudgetExhausted, type FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import { WM } from "../../message/controller.ts";
import { VOUCHED } from "../../message/vouched.ts";

/** Codes of an exhausted trace: the deadline or budget that ran out. */
export type ExhaustionCode =
  | typeof FlowErrorCode.DEADLINE_EXCEEDED
  | typeof FlowErrorCode.HOP_BUDGET_EXHAUSTED
  | typeof FlowErrorCode.TOKEN_BUDGET_EXHAUSTED;

/** Texts of the final answer of an exhausted trace, as documented. */
export const EXHAUSTION_TEXT: Readonly<Record<ExhaustionCode, string>> = {
  DEADLINE_EXCEEDED: "Deadline exceeded",
  HOP_BUDGET_EXHAUSTED: "Hop budget exhausted",
  TOKEN_BUDGET_EXHAUSTED: "Token budget exhausted",
};

const WHICH: Readonly<Record<ExhaustionCode, string>> = {
  DEADLINE_EXCEEDED: "deadline",
  HOP_BUDGET_EXHAUSTED: "hops",
  TOKEN_BUDGET_EXHAUSTED: "tokens",
};

/** Cause of an exhausted trace: the deadline or a working memory's own budget, or the error of the trace's budget. */
export type Exhaustion = ExhaustionCode | BudgetExhausted;

/** Returns the name of what ran out, and the text of the final answer. */
export function exhaustionOf(error: FlowError): { readonly which: string; readonly text: string } {
  const code = error.code as ExhaustionCode;
  if (Object.hasOwn(EXHAUSTION_TEXT, code)) return { which: WHICH[code], text: EXHAUSTION_TEXT[code] };
  const which = error instanceof BudgetExhausted ? error.budget : "";
  return { which, text: `Budget exhausted: ${which}` };
}

/**
 * Advances a controller's loop: returns the working memory of the next hop, or the code of the exhausted budget. Counts
 * the hop unless the controller already did. The loop ends when the hops reach `budgetHops` or the tokens reach
 * `budgetTokens`.
 */
export function nextLoopStep(before: unknown, returned: WM): WM | ExhaustionCode {
  const hopsBefore = before instanceof WM ? before.hops : 0;
  const hops = Math.max(returned.hops, hopsBefore + 1);
  if (returned.budgetHops !== null && hops >= returned.budgetHops) return FlowErrorCode.HOP_BUDGET_EXHAUSTED;
  if (returned.budgetTokens !== null && returned.tokensUsed >= returned.budgetTokens) {
    return FlowErrorCode.TOKEN_BUDGET_EXHAUSTED;
  }
  if (hops === returned.hops) return returned;
  const { query, facts, budgetHops, tokensUsed, budgetTokens, confidence } = returned;
  return new WM({ query, facts, hops, budgetHops, tokensUsed, budgetTokens, confidence }, VOUCHED);
}

/** Limits a child's working memory to the budgets the parent has left. */
export function shrinkBudget(parent: unknown, child: unknown): unknown {
  if (!(parent instanceof WM) || !(child instanceof WM)) return child;
  const budgetHops = lesser(left(parent.budgetHops, parent.hops), child.budgetHops, child.hops);
  const budgetTokens = lesser(left(parent.budgetTokens, parent.tokensUsed), child.budgetTokens, child.tokensUsed);
  if (budgetHops === child.budgetHops && budgetTokens === child.budgetTokens) return child;
  return child.with({ budgetHops, budgetTokens });
}

function left(budget: number | null, used: number): number | null {
  return budget === null ? null : Math.max(0, budget - used);
}

function lesser(parentLeft: number | null, childBudget: number | null, childUsed: number): number | null {
  if (parentLeft === null) return childBudget;
  const allowed = childUsed + parentLeft;
  return childBudget === null ? allowed : Math.min(childBudget, allowed);
}
