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
