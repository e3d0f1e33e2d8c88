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
  /** Errors that say that one of its budgets ran out, if one has. */
  #refusals: WeakSet<object> | undefined;

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

  /** Returns the first name of which less is left than wanted. What was `reserved` is there. */
  shortage(wanted: Budget, reserved?: Budget): Shortage | undefined {
    for (const name in wanted) {
      const line = this.#lines.get(name);
      const amount = wanted[name] as number;
      if (line === undefined || fits(line, amount) || isCovered(reserved, name, amount)) continue;
      return { name, wanted: amount, left: leftOf(line) };
    }
    return undefined;
  }

  /** Reserves amounts of which enough is left. */
  reserve(amounts: Budget): Claim {
    this.#open(amounts);
    this.#addReserved(amounts, 1);
    return new Claim(this, amounts);
  }

  /** Returns amounts that were reserved. Called by their {@link Claim} alone. */
  takeBack(amounts: Budget): void {
    this.#addReserved(amounts, -1);
  }

  /** Spends amounts; of a name with too little left, all that is left. Returns what it spent. */
  spend(amounts: Budget): Budget {
    this.#open(amounts);
    let cut: Map<string, number> | undefined;
    for (const name in amounts) {
      const line = this.#lines.get(name) as Line;
      const amount = amounts[name] as number;
      const part = fits(line, amount) ? amount : leftOf(line);
      line.spent = Math.min(addDecimals(line.spent, part), line.limit ?? Number.POSITIVE_INFINITY);
      if (part !== amount) (cut ??= new Map()).set(name, part);
    }
    return cut === undefined ? amounts : { ...amounts, ...Object.fromEntries(cut) };
  }

  /** Whether a thrown value says that one of its budgets ran out. */
  hasRefused(thrown: unknown): boolean {
    return typeof thrown === "object" && thrown !== null && this.#refusals?.has(thrown) === true;
  }

  /** Remembers an error that says that one of its budgets ran out. */
  refuses<Refusal extends Error>(refusal: Refusal): Refusal {
    (this.#refusals ??= new WeakSet()).add(refusal);
    return refusal;
  }

  #read(amountOf: (line: Line) => number | undefined): BudgetLeft {
    const amounts = [...this.#lines].flatMap(([name, line]) => {
      const amount = amountOf(line);
      return amount === undefined ? [] : [[name, amount] as const];
    });
    return Object.freeze(Object.fromEntries(amounts));
  }

  /** Gives each name a line before any amount changes. @throws RangeError when there are too many names */
  #open(amounts: Budget): void {
    for (const name in amounts) this.#lineOf(name);
  }

  #addReserved(amounts: Budget, sign: 1 | -1): void {
    for (const name in amounts) {
      const line = this.#lines.get(name) as Line;
      // an amount without a limit has always enough left
      if (line.limit !== undefined)
        line.reserved = Math.max(0, addDecimals(line.reserved, sign * (amounts[name] as number)));
    }
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

function isCovered(reserved: Budget | undefined, name: string, amount: number): boolean {
  return reserved !== undefined && Object.hasOwn(reserved, name) && amount <= (reserved[name] as number);
}
