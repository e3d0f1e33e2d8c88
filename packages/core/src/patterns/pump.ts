import {
  requireFunction,
  requireInteger,
  requireKnownKeys,
  requireNumber,
  requireOptions,
} from "../foundation/options.ts";
import type { Message } from "../message/message.ts";
import type { CompletedOutcome, EmptyOutcome, Outcome } from "../message/outcome.ts";
import type { EmitOptions } from "../flow/call-options.ts";
import { type FlowRun, portsOf } from "../flow/flow-run.ts";
import { PumpRun } from "./pump-run.ts";
import { type Claim, sourceOf } from "./pump-source.ts";

/** Limits and waits of a {@link Pump}. */
export interface PumpLimits {
  /** Maximum number of items in flight, those included whose hook has not returned. @defaultValue 16 */
  readonly maxInFlight?: number | undefined;
  /** Milliseconds until the next claim after one that found nothing, unless {@link Pump.wake} is called. @defaultValue 1000 */
  readonly idleMs?: number | undefined;
  /** Delay after the first failure of the source in milliseconds. It doubles with each further one. @defaultValue 100 */
  readonly backoffBaseMs?: number | undefined;
  /** Maximum delay after a failure of the source, in milliseconds. @defaultValue 30000 */
  readonly maxBackoffMs?: number | undefined;
}

/** Limits and hooks of a {@link Pump}. Each item that was taken is settled by exactly one hook. */
export interface PumpHooks<Item, Result, Entries extends string = string> extends PumpLimits {
  /** Options of an item's call: its tenant, principal, `id`. @defaultValue none */
  readonly options?: ((item: Item) => Omit<EmitOptions<Entries>, "signal">) | undefined;
  /** Called when an item's trace is done: remove the item. */
  readonly done?: ((item: Item, outcome: CompletedOutcome<Result> | EmptyOutcome<Result>) => unknown) | undefined;
  /**
   * Called when an item's trace has failed, was cancelled or exhausted, or is `paused`; without an outcome when the flow
   * refused the item.
   */
  readonly failed?: ((item: Item, error: unknown, outcome: Outcome<Result> | undefined) => unknown) | undefined;
  /** Called when an item was not handled because the pump or the flow stops: give it back. */
  readonly released?: ((item: Item, reason: unknown) => unknown) | undefined;
}

/** Options of {@link startPump}. `input` makes the flow's input of an item that is none. */
export type PumpOptions<Item, Input, Result, Entries extends string = string> = PumpHooks<Item, Result, Entries> &
  ([Item] extends [Input | Message<Input>]
    ? { readonly input?: ((item: Item) => Input | Message<Input>) | undefined }
    : { readonly input: (item: Item) => Input | Message<Input> });

/** Figures of a {@link Pump}. `taken` is the sum of the others. */
export interface PumpStats {
  /** Number of items that the source has given. */
  readonly taken: number;
  /** Number of items that no hook has settled. */
  readonly inFlight: number;
  readonly done: number;
  readonly failed: number;
  readonly released: number;
}

/**
 * Feeds a flow from a source. Made by {@link startPump}. Disposable: `await using pump = startPump(…)` stops it at the end
 * of the block.
 */
export interface Pump extends AsyncDisposable {
  /** Resolves once it is over: with the error that ended it, or `undefined` after `stop` or the end of its source. */
  readonly closed: Promise<unknown>;
  readonly stats: PumpStats;
  /** Ends the wait of an idle pump, or of one whose source has failed: there is something to take. */
  wake(): void;
  /**
   * Stops taking items, lets those in flight finish within `drainMs` milliseconds, then cancels and releases the rest.
   * Resolves when every item is settled. A hook that does not return within the flow's `graceMs` after that is given up.
   * The flow runs on. Idempotent.
   *
   * @param options - `drainMs`: @defaultValue 10 000
   */
  stop(options?: { readonly drainMs?: number }): Promise<PumpStats>;
}

const LIMITS = ["maxInFlight", "idleMs", "backoffBaseMs", "maxBackoffMs"];
const FUNCTIONS = ["options", "input", "done", "failed", "released"];

/**
 * Feeds a running flow from a source, with a bounded number of items in flight: takes items while there is room, calls
 * the flow with each, and settles each by one hook. A source without items is asked again after `idleMs`, one that fails
 * after a backoff, on the flow's clock. An iterable that cannot be iterated anew ends the pump when it fails.
 *
 * @example
 * ```ts
 * const pump = startPump((room) => queue.claim(room), flow, {
 *   options: (job) => ({ id: job.id, tenant: job.tenant }),
 *   done: (job) => queue.remove(job),
 *   released: (job) => queue.giveBack(job),
 * });
 * await pump.stop();
 * ```
 * @throws TypeError, RangeError when the source or an option is unusable; FlowError `FLOW_NOT_RUNNING`
 */
export function startPump<Item, Input, Result, Entries extends string>(
  source: AsyncIterable<Item> | Claim<Item>,
  flow: FlowRun<Input, Result, Entries>,
  options: PumpOptions<Item, NoInfer<Input>, NoInfer<Result>, NoInfer<Entries>>,
): Pump {
  const { input, ...hooks } = checked(options) as PumpHooks<Item, Result, Entries> & {
    readonly input?: (item: Item) => Input | Message<Input>;
  };
  const ports = portsOf(flow);
  const call = (item: Item, signal: AbortSignal): Promise<Outcome<Result>> => {
    const message = input === undefined ? (item as Input | Message<Input>) : input(item);
    return flow.outcome(message, { ...hooks.options?.(item), signal });
  };
  const { maxInFlight = 16, idleMs = 1000, backoffBaseMs = 100, maxBackoffMs = 30_000 } = hooks;
  const limits = { maxInFlight, idleMs, backoffBaseMs, maxBackoffMs };
  return new PumpRun(sourceOf(source), { flow, call, hooks, limits, ports });
}

function checked<Options extends PumpLimits>(options: Options): Options {
  requireOptions("a pump", options);
  requireKnownKeys("a pump", options, [...LIMITS, ...FUNCTIONS]);
  const { maxInFlight } = options;
  if (maxInFlight !== undefined) requireInteger("maxInFlight", maxInFlight, 1);
  for (const name of ["idleMs", "backoffBaseMs", "maxBackoffMs"] as const)
    if (options[name] !== undefined) requireNumber(name, options[name], 1);
  for (const name of FUNCTIONS) {
    const { [name]: hook } = options as Readonly<Record<string, unknown>>;
    if (hook !== undefined) requireFunction(name, hook);
  }
  return options;
}
