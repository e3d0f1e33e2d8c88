import { requireNumber, shown } from "../foundation/options.ts";

/** Amounts by name, such as `{ toolCalls: 20, costUsd: 1 }`: finite numbers of 0 or more. */
export type Budget = Readonly<Record<string, number>>;

/** Amounts that are left, by name. A name without a limit is absent. */
export type BudgetLeft = Readonly<Partial<Record<string, number>>>;

/** Maximum number of names in the account of a trace. */
export const MAX_BUDGETS = 100;

/**
 * Throws unless a value is a budget.
 *
 * @throws TypeError, RangeError that name the amount
 */
export function requireBudget(option: string, value: unknown): asserts value is Budget {
  if (typeof value !== "object" || value === null || Array.isArray(value) || value instanceof Map)
    throw new TypeError(`Option "${option}" must be an object of amounts by name: got ${shown(value)}`);
  let count = 0;
  // without a list of the names: it is called for each amount that is spent
  for (const name in value) {
    if (!Object.hasOwn(value, name)) continue;
    count += 1;
    if (count > MAX_BUDGETS)
      throw new RangeError(
        `Option "${option}" must have at most ${MAX_BUDGETS} names: got ${Object.keys(value).length}`,
      );
    const amount: unknown = (value as Readonly<Record<string, unknown>>)[name];
    // the name of the option is made for an error alone
    if (!(Number.isFinite(amount) && (amount as number) >= 0)) requireNumber(`${option}.${name}`, amount as number, 0);
  }
}
