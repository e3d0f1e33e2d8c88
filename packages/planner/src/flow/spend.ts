import { BudgetExhausted, type Context, type Reservation } from "penguiflow";
import type { ModelTurn } from "../model/model-turn.ts";
import { leftOf, type PlanBudget } from "../plan/budget.ts";
import type { Loop } from "../plan/loop-state.ts";

/** Names of the budgets that model calls draw on. */
const DRAWN = ["steps", "tokens", "costUsd"] as const;

/** Amounts that a model call needs to begin: its step, and a little of the others. */
const LEAST = { steps: 1, tokens: 1, costUsd: 1e-6 };

/** Takes a model call out of the budgets of the planner and of the whole tree, or says which has none left. */
export function takeStep({ budget, spent }: Loop, ctx: Context): Reservation | keyof PlanBudget {
  const own = leftOf(budget, spent);
  const used = DRAWN.find((name) => own[name] <= 0);
  if (used !== undefined) return used;
  try {
    return ctx.budget.reserve(LEAST);
  } catch (error) {
    if (error instanceof BudgetExhausted) return error.budget as keyof PlanBudget;
    throw error;
  }
}

/** Spends what a model call has used. A call that used more than was left has been made: the next finds nothing left. */
export function spend(spendOrSettle: () => void): void {
  try {
    spendOrSettle();
  } catch (error) {
    if (!(error instanceof BudgetExhausted)) throw error;
  }
}

/** Returns the loop after a model call. */
export function afterCall(loop: Loop, { tokensIn, tokensOut, costUsd }: ModelTurn): Loop {
  const { steps, tokens, costUsd: before, toolCalls } = loop.spent;
  const spent = { steps: steps + 1, toolCalls, tokens: tokens + tokensIn + tokensOut, costUsd: before + costUsd };
  return { ...loop, spent };
}
