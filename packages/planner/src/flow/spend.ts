import { type Budget, BudgetExhausted, type Context, type Reservation } from "penguiflow";
import type { ModelTurn } from "../model/model-turn.ts";
import type { PlanBudget } from "../plan/budget.ts";
import type { Loop } from "../plan/loop-state.ts";

/** Amounts that a model call needs to begin: its step, and a little of the others. */
const LEAST = { steps: 1, tokens: 1, costUsd: 1e-6 };

/** Takes a model call out of the budgets of the planner and of the whole tree, or says which has none left. */
export function takeStep({ budget, spent }: Loop, ctx: Context): Reservation | keyof PlanBudget {
  if (spent.steps >= budget.steps) return "steps";
  if (spent.tokens >= budget.tokens) return "tokens";
  if (spent.costUsd >= budget.costUsd) return "costUsd";
  try {
    return ctx.budget.reserve(LEAST);
  } catch (error) {
    if (error instanceof BudgetExhausted) return error.budget as keyof PlanBudget;
    throw error;
  }
}

/** Spends what a model call has used. A call that used more than was left has been made: the next finds nothing left. */
export function spend(ctx: Context, used: Budget, taken?: Reservation): void {
  try {
    if (taken === undefined) ctx.budget.spend(used);
    else taken.settle(used);
  } catch (error) {
    if (!(error instanceof BudgetExhausted)) throw error;
  }
}

/** Returns the loop after a model call, with the log at a position. */
export function afterCall(loop: Loop, { tokensIn, tokensOut, costUsd }: ModelTurn, at: number): Loop {
  const { steps, tokens, costUsd: before, toolCalls } = loop.spent;
  const spent = { steps: steps + 1, toolCalls, tokens: tokens + tokensIn + tokensOut, costUsd: before + costUsd };
  return { ...loop, spent, at };
}
