import { BudgetExhausted, FlowErrorCode } from "../../foundation/flow-error.ts";
import { type Budget, type BudgetLeft, requireBudget } from "../../message/budget.ts";
import { WM } from "../../message/controller.ts";
import type { Reservation, TraceBudget } from "../../graph/handler.ts";
import { type Exhaustion, nextLoopStep } from "../policies/budget.ts";
import type { Ledger } from "../observe/ledger.ts";
import { type Attempt, type HandlerWait, outermost } from "../state/attempt.ts";
import { BudgetAccount, type Claim, type Shortage } from "../state/budget-account.ts";
import type { Trace } from "../state/trace.ts";

/** Engine parts that {@link Budgets} calls. */
export interface BudgetsHost {
  readonly ledger: Ledger;
}

/**
 * Budgets of traces: one account for the outermost trace and all playbooks below it. An attempt that fails keeps spent
 * what it has spent, and returns what it has reserved and not settled.
 */
export class Budgets {
  readonly #engine: BudgetsHost;

  constructor(engine: BudgetsHost) {
    this.#engine = engine;
  }

  /** Gives a new trace its limits. */
  open(trace: Trace, limits: Budget): void {
    trace.more.account = new BudgetAccount(limits);
  }

  of(attempt: Attempt): TraceBudget {
    return new AttemptBudget(this, attempt);
  }

  accountOf(attempt: Attempt): BudgetAccount {
    return (outermost(attempt).trace.more.account ??= new BudgetAccount({}));
  }

  /** Reserves amounts until they are settled or the attempt ends. */
  reserve(attempt: Attempt, amounts: Budget): Reservation {
    requireUsable(attempt, "reserve a budget");
    requireBudget("amounts", amounts);
    const account = this.accountOf(attempt);
    const wanted = { ...amounts };
    const shortage = account.shortage(wanted);
    if (shortage !== undefined) throw refusal(attempt, account, shortage);
    return new AttemptReservation(this, attempt, new Hold(attempt, account.reserve(wanted)));
  }

  /** Spends what a reservation has used in place of what it has reserved. */
  settle(attempt: Attempt, hold: Hold, actual: Budget): void {
    requireUsable(attempt, "settle a reservation");
    requireBudget("actual", actual);
    const { claim } = hold;
    if (!claim.isOpen) throw new TypeError("Cannot settle a reservation: it is settled or released already");
    hold.reject();
    this.#spendOrThrow(attempt, this.accountOf(attempt), { ...claim.amounts, ...actual }, claim.amounts);
  }

  spend(attempt: Attempt, amounts: Budget): void {
    requireUsable(attempt, "spend a budget");
    requireBudget("amounts", amounts);
    this.#spendOrThrow(attempt, this.accountOf(attempt), { ...amounts });
  }

  /** Spends amounts. Throws if less was left, unless it was reserved. */
  #spendOrThrow(attempt: Attempt, account: BudgetAccount, amounts: Budget, reserved?: Budget): void {
    const shortage = account.shortage(amounts, reserved);
    this.#spend(attempt, account, amounts);
    if (shortage !== undefined) throw refusal(attempt, account, shortage);
  }

  /**
   * Draws a controller's next hop and its tokens from the budgets `hops` and `tokens`, if there are such: they are spent
   * when the attempt commits. Returns the error if that leaves nothing of one of them, as with a working memory's own
   * budgets.
   */
  draw(attempt: Attempt, next: WM): BudgetExhausted | undefined {
    const account = this.accountOf(attempt);
    const { payload } = attempt.message;
    const [hops, tokens] = payload instanceof WM ? [payload.hops, payload.tokensUsed] : [0, 0];
    const used = { hops: next.hops - hops, tokens: Math.max(0, next.tokensUsed - tokens) };
    const { left } = account;
    const draws = Object.entries(used).flatMap(([name, amount]) => {
      const rest = left[name];
      return rest === undefined
        ? []
        : [{ name, wanted: amount, drawn: Math.min(amount, rest), isLast: amount >= rest }];
    });
    if (draws.length === 0) return undefined;
    const drawn = Object.fromEntries(draws.map(({ name, drawn: amount }) => [name, amount]));
    const hold = new Hold(attempt, account.reserve(drawn), () => {
      hold.reject();
      this.#spend(attempt, account, drawn);
    });
    const last = draws.find(({ isLast }) => isLast);
    return last === undefined ? undefined : refusal(attempt, account, { ...last, left: 0 });
  }

  /**
   * Charges amounts that were spent elsewhere when the attempt commits: once, however often its message is handled. Of a
   * name with too little left, it spends all that is left.
   */
  charge(attempt: Attempt, amounts: Budget): void {
    requireBudget("spent", amounts);
    const account = this.accountOf(attempt);
    const { left } = account;
    const due = Object.entries(amounts).map(([name, amount]) => [
      name,
      Math.min(amount, Object.hasOwn(left, name) ? (left[name] ?? 0) : Number.POSITIVE_INFINITY),
    ]);
    const charged = Object.fromEntries(due) as Budget;
    const hold = new Hold(attempt, account.reserve(charged), () => {
      hold.reject();
      this.#spend(attempt, account, charged);
    });
  }

  #spend(attempt: Attempt, account: BudgetAccount, amounts: Budget): void {
    this.#engine.ledger.spent(outermost(attempt).trace, attempt, account.spend(amounts), account);
  }
}

/** Advances a controller's loop. Draws the hop and its tokens from the budget of the trace, if it has one. */
export function nextHop(
  attempt: Attempt,
  returned: WM,
  engine: { readonly budgets: Pick<Budgets, "draw"> },
): WM | Exhaustion {
  const step = nextLoopStep(attempt.message.payload, returned);
  if (!(step instanceof WM) || attempt.trace.extras?.account === undefined) return step;
  return engine.budgets.draw(attempt, step) ?? step;
}

/** The budget of a trace as one of its attempts uses it. */
class AttemptBudget implements TraceBudget {
  readonly #budgets: Budgets;
  readonly #attempt: Attempt;

  constructor(budgets: Budgets, attempt: Attempt) {
    this.#budgets = budgets;
    this.#attempt = attempt;
  }

  get left(): BudgetLeft {
    return this.#budgets.accountOf(this.#attempt).left;
  }

  get spent(): Budget {
    return this.#budgets.accountOf(this.#attempt).spent;
  }

  reserve(amounts: Budget): Reservation {
    return this.#budgets.reserve(this.#attempt, amounts);
  }

  spend(amounts: Budget): void {
    this.#budgets.spend(this.#attempt, amounts);
  }
}

/** Amounts that an attempt has reserved, as its handler settles them. */
class AttemptReservation implements Reservation {
  readonly #budgets: Budgets;
  readonly #attempt: Attempt;
  readonly #hold: Hold;

  constructor(budgets: Budgets, attempt: Attempt, hold: Hold) {
    this.#budgets = budgets;
    this.#attempt = attempt;
    this.#hold = hold;
  }

  settle(actual: Budget = {}): void {
    this.#budgets.settle(this.#attempt, this.#hold, actual);
  }

  release(): void {
    this.#hold.reject();
  }
}

/**
 * A claim of an attempt: without `committed` it is returned when the handler returns, otherwise kept until the attempt
 * commits.
 */
class Hold implements HandlerWait {
  readonly claim: Claim;
  readonly outlivesHandler: boolean;
  readonly committed: (() => void) | undefined;
  readonly #waits: Set<HandlerWait>;

  constructor(attempt: Attempt, claim: Claim, committed?: () => void) {
    this.claim = claim;
    this.outlivesHandler = committed !== undefined;
    this.committed = committed;
    this.#waits = attempt.more.waits ??= new Set();
    this.#waits.add(this);
  }

  /** Returns the amounts. */
  reject(): void {
    this.#waits.delete(this);
    this.claim.end();
  }
}

function requireUsable(attempt: Attempt, what: string): void {
  attempt.requireRunning(what);
  // an ending trace aborts its handlers one by one: the others must not spend meanwhile
  if (!outermost(attempt).trace.isOpen) throw attempt.refusal(what);
}

const CODES: Readonly<Record<string, FlowErrorCode>> = {
  hops: FlowErrorCode.HOP_BUDGET_EXHAUSTED,
  tokens: FlowErrorCode.TOKEN_BUDGET_EXHAUSTED,
};

function refusal(attempt: Attempt, account: BudgetAccount, { name, wanted, left }: Shortage): BudgetExhausted {
  const { traceId, tenant, node, attempt: number } = attempt;
  return account.refuses(
    new BudgetExhausted({
      code: Object.hasOwn(CODES, name) ? (CODES[name] as FlowErrorCode) : FlowErrorCode.BUDGET_EXHAUSTED,
      budget: name,
      wanted,
      left,
      traceId,
      tenant,
      node,
      attempt: number,
    }),
  );
}
