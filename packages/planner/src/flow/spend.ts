import { BudgetExhausted } from "penguiflow";

/** Spends what a model call has used. A call that used more than was left has been made: the next finds nothing left. */
export function spend(spendOrSettle: () => void): void {
  try {
    spendOrSettle();
  } catch (error) {
    if (!(error instanceof BudgetExhausted)) throw error;
  }
}
