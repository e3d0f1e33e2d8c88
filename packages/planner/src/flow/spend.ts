import { BudgetExhausted, type Context } from "penguiflow";

/** Spends what a model call has used. A call that used more than was left has been made: the next finds nothing left. */
export function spend(ctx: Context, amounts: { readonly tokens: number; readonly costUsd: number }): void {
  try {
    ctx.budget.spend({ tokens: amounts.tokens, costUsd: amounts.costUsd });
  } catch (error) {
    if (!(error instanceof BudgetExhausted)) throw error;
  }
}
