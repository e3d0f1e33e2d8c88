import { addDecimals, roundTo } from "../../foundation/decimals.ts";
import { type Budget, type BudgetLeft, MAX_BUDGETS } from "../../message/budget.ts";

/** Amounts of one name. Invariant: `spent + reserved` is at most the limit. */
interface Line {
  /** `undefined` for a name that is only counted. */
  readonly limit: number | undefined;
  spent: number;
  reserved: number;
}

/** A name of which too little is left. */
export interface Shortage {
  readonly name: string;
  readonly wanted: number;
  readonly left: number;
}

/**
 * The budgets of a trace and of everything below it. A name without a limit is counted. Sole writer of its amounts.
 *
 * Every change is synchronous, so attempts that run side by side cannot take the same amount.
 */
export class BudgetAccount {
  readonly #lines = new Map<string, Line>();
  /** Errors that say that one of its budgets ran out. */
  readonly #refusals = new WeakSet<object>();

  constructor(limits: Budget, spent: Budget = {}) {
    for (const [name, limit] of Object.entries(limits))
      this.#lines.set(name, { limit: addDecimals(limit, 0), spent: 0, reserved: 0 });
    for (const [name, amount] of Object.entries(spent)) this.#lineOf(name).spent = amount;
  }

  get limits(): Budget {
    return this.#read(({ limit }) => limit) as Budget;
  }

  get spent(): Budget {
    return this.#read(({ spent }) => (spent === 0 ? undefined : spent)) as Budget;
  }

  /** Amounts that can still be reserved. */
  get left(): BudgetLeft {
    return this.#read((line) => (line.limit === undefined ? undefined : leftOf(line)));
  }

  /** Returns the first name of which less is left than wanted. */
  shortage(wanted: Budget): Shortage | undefined {
    for (const [name, amount] of Object.entries(wanted)) {
      const line = this.#lines.get(name);
      if (line !== undefined && !fits(line, amount)) return { name, wanted: amount, left: leftOf(line) };
    }
    return undefined;
  }

  /** Reserves amounts of which enough is left. */
  reserve(amounts: Budget): Claim {
    for (const { line, amount } of this.#linesOf(amounts)) line.reserved = addDecimals(line.reserved, amount);
    return new Claim(this, amounts);
  }

  /** Returns amounts that were reserved. Called by their {@link Claim} alone. */
  takeBack(amounts: Budget): void {
    for (const { line, amount } of this.#linesOf(amounts))
      line.reserved = Math.max(0, addDecimals(line.reserved, -amount));
  }

  /** Spends amounts; of a name with too little left, all that is left. Returns what it spent. */
  spend(amounts: Budget): Budget {
    const taken = this.#linesOf(amounts).map(({ name, line, amount }) => {
      const part = fits(line, amount) ? amount : leftOf(line);
      line.spent = Math.min(addDecimals(line.spent, part), line.limit ?? Number.POSITIVE_INFINITY);
      return [name, part];
    });
    return Object.fromEntries(taken) as Budget;
  }

  /** Whether a thrown value says that one of its budgets ran out. */
  hasRefused(thrown: unknown): boolean {
    return typeof thrown === "object" && thrown !== null && this.#refusals.has(thrown);
  }

  /** Remembers an error that says that one of its budgets ran out. */
  refuses<Refusal extends Error>(refusal: Refusal): Refusal {
    this.#refusals.add(refusal);
    return refusal;
  }

  #read(amountOf: (line: Line) => number | undefined): BudgetLeft {
    const amounts = [...this.#lines].flatMap(([name, line]) => {
      const amount = amountOf(line);
      return amount === undefined ? [] : [[name, amount] as const];
    });
    return Object.freeze(Object.fromEntries(amounts));
  }

  /** Finds the lines of all names before any is changed. @throws RangeError when there are too many names */
  #linesOf(amounts: Budget): { readonly name: string; readonly line: Line; readonly amount: number }[] {
    return Object.entries(amounts).map(([name, amount]) => ({ name, line: this.#lineOf(name), amount }));
  }

  #lineOf(name: string): Line {
    let line = this.#lines.get(name);
    if (line !== undefined) return line;
    if (this.#lines.size >= MAX_BUDGETS)
      throw new RangeError(`Cannot count "${name}": the budget of a trace has at most ${MAX_BUDGETS} names`);
    line = { limit: undefined, spent: 0, reserved: 0 };
    this.#lines.set(name, line);
    return line;
  }
}

/**
 * Amounts that are reserved for an attempt.
 *
 * States: open → settled or returned. An open claim is returned with its attempt; that of a controller's hop is settled
 * when its attempt commits.
 */
export class Claim {
  readonly amounts: Budget;
  readonly #account: BudgetAccount;
  #isOpen = true;

  constructor(account: BudgetAccount, amounts: Budget) {
    this.#account = account;
    this.amounts = amounts;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Returns the amounts, once. */
  end(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#account.takeBack(this.amounts);
  }
}

function leftOf({ limit, spent, reserved }: Line): number {
  if (limit === undefined) return Number.POSITIVE_INFINITY;
  return Math.max(0, addDecimals(limit, -addDecimals(spent, reserved)));
}

function fits(line: Line, amount: number): boolean {
  const { limit } = line;
  // rounded as what is left is: thirds of a budget fit three times
  return limit === undefined || roundTo(amount, limit) <= leftOf(line);
}
