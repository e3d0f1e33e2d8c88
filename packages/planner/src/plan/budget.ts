/**
 * Limits of a run and of everything below it: model calls, tool calls, tokens in and out, US dollars. A limit of
 * `Infinity` refuses nothing.
 */
export interface PlanBudget {
  /** @defaultValue 20 */
  readonly steps: number;
  /** @defaultValue 100 */
  readonly toolCalls: number;
  /** @defaultValue `Infinity` */
  readonly tokens: number;
  /** @defaultValue `Infinity` */
  readonly costUsd: number;
}

/** The limits of a run that sets none. */
export const DEFAULT_BUDGET: PlanBudget = Object.freeze({
  steps: 20,
  toolCalls: 100,
  tokens: Number.POSITIVE_INFINITY,
  costUsd: Number.POSITIVE_INFINITY,
});

const NAMES = Object.keys(DEFAULT_BUDGET) as (keyof PlanBudget)[];

/**
 * Throws unless each limit of a budget is a number of 0 or more.
 *
 * @throws TypeError, RangeError that name the limit
 */
export function requireBudget(option: string, budget: Partial<PlanBudget>): void {
  for (const [name, limit] of Object.entries(budget) as [string, number | undefined][]) {
    if (!NAMES.includes(name as keyof PlanBudget))
      throw new TypeError(`Option "${option}" has no limit "${name}": expected one of ${NAMES.join(", ")}`);
    if (limit !== undefined && !(typeof limit === "number" && limit >= 0))
      throw new RangeError(`Option "${option}.${name}" must be a number of 0 or more: got ${String(limit)}`);
  }
}

/** Returns the lower of each limit. */
export function lowest(one: Partial<PlanBudget>, other: Partial<PlanBudget>): PlanBudget {
  return {
    steps: lower(one.steps, other.steps),
    toolCalls: lower(one.toolCalls, other.toolCalls),
    tokens: lower(one.tokens, other.tokens),
    costUsd: lower(one.costUsd, other.costUsd),
  };
}

/** Returns what is left of a budget. */
export function leftOf(budget: PlanBudget, spent: PlanBudget): PlanBudget {
  return {
    steps: Math.max(0, budget.steps - spent.steps),
    toolCalls: Math.max(0, budget.toolCalls - spent.toolCalls),
    tokens: Math.max(0, budget.tokens - spent.tokens),
    costUsd: Math.max(0, budget.costUsd - spent.costUsd),
  };
}

/** Returns the amounts of a run, 0 for those that are missing. */
export function amounts({ steps = 0, toolCalls = 0, tokens = 0, costUsd = 0 }: Partial<PlanBudget>): PlanBudget {
  return { steps, toolCalls, tokens, costUsd };
}

/** Returns the limits that are finite, as the runtime takes them. */
export function finite(budget: Partial<PlanBudget>): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(budget).filter(([, limit]) => Number.isFinite(limit)));
}

function lower(one = Number.POSITIVE_INFINITY, other = Number.POSITIVE_INFINITY): number {
  return Math.min(one, other);
}
