import { onAbort } from "../foundation/abort.ts";
import { systemClock } from "../foundation/clock.ts";
import { FlowError, FlowErrorCode } from "../foundation/flow-error.ts";
import {
  requireInteger,
  requireKnownKeys,
  requireNumber,
  requireOneOf,
  requireSignal,
  shown,
} from "../foundation/options.ts";
import type { Context } from "../graph/handler.ts";
import { HandlerContext } from "../engine/context/handler-context.ts";

/** Options of `mapConcurrent`. */
export interface MapConcurrentOptions<OnTimeout extends "fail" | "report" = "fail" | "report"> {
  /** Maximum number of items in flight. @defaultValue 8 */
  readonly maxConcurrency?: number | undefined;
  /** Cancels the whole run: once it aborts, no further item is started. */
  readonly signal?: AbortSignal | undefined;
  /** Context of the handler that maps: its signal cancels the run, and times are those of the flow's clock. */
  readonly ctx?: Pick<Context<never>, "node" | "signal"> | undefined;
  /**
   * Milliseconds after which the signal of an item is aborted, with a `FlowError` `WAIT_TIMEOUT`. The item counts as over
   * then: the next one starts, and what a worker returns that ignores its signal is dropped. @defaultValue no limit
   */
  readonly itemTimeoutMs?: number | undefined;
  /** Effect of an item that takes too long: the run fails with it, or its result says so. @defaultValue `"fail"` */
  readonly onTimeout?: OnTimeout | undefined;
}

/** The result of an item in a run with `onTimeout: "report"`. */
export type ItemResult<Result> =
  | { readonly isTimedOut: false; readonly value: Result }
  | { readonly isTimedOut: true; readonly value?: undefined };

/**
 * Maps items concurrently and resolves with the results in the order of the items. Items are taken lazily, so a
 * generator is never further ahead than the limit. The first failure aborts the signal of the other workers, prevents
 * further items and becomes the rejection.
 *
 * @throws the error of a worker, or the signal's reason; FlowError `WAIT_TIMEOUT` when an item takes longer than
 *   `itemTimeoutMs`, unless that is reported
 */
export function mapConcurrent<Item, Result>(
  items: Iterable<Item> | AsyncIterable<Item>,
  worker: (item: Item, index: number, signal: AbortSignal) => Result | Promise<Result>,
  options: MapConcurrentOptions<"report"> & { readonly onTimeout: "report" },
): Promise<ItemResult<Result>[]>;
/** Maps items concurrently and resolves with the results in the order of the items. */
export function mapConcurrent<Item, Result>(
  items: Iterable<Item> | AsyncIterable<Item>,
  worker: (item: Item, index: number, signal: AbortSignal) => Result | Promise<Result>,
  options?: MapConcurrentOptions<"fail">,
): Promise<Result[]>;
export async function mapConcurrent<Item, Result>(
  items: Iterable<Item> | AsyncIterable<Item>,
  worker: (item: Item, index: number, signal: AbortSignal) => Result | Promise<Result>,
  options: MapConcurrentOptions = {},
): Promise<(Result | ItemResult<Result>)[]> {
  const { maxConcurrency = 8, itemTimeoutMs, onTimeout = "fail" } = checked(options);
  if (typeof worker !== "function")
    throw new TypeError(`mapConcurrent needs a worker function (item, index, signal): got ${typeof worker}`);
  const after = timerOf(options.ctx);
  const outer = [options.signal, options.ctx?.signal].filter((signal) => signal !== undefined);
  for (const signal of outer) signal.throwIfAborted();
  const failure = new AbortController();
  const combined = outer.length === 0 ? failure.signal : AbortSignal.any([failure.signal, ...outer]);
  const results: (Result | ItemResult<Result>)[] = [];
  const iterator = iteratorOf(items);
  let taken = 0;
  let isDone = false;
  let taking: Promise<unknown> = Promise.resolve();

  const take = (): Promise<{ item: Item; index: number } | undefined> => {
    const next = taking.then(async () => {
      if (isDone || combined.aborted) return undefined;
      let step: IteratorResult<Item>;
      try {
        step = await iterator.next();
      } catch (error) {
        // a source that failed is neither read again nor closed
        isDone = true;
        throw error;
      }
      if (step.done !== true) return { item: step.value, index: taken++ };
      isDone = true;
      return undefined;
    });
    taking = next.catch(() => {});
    return next;
  };
  const handle = async (item: Item, index: number): Promise<Result | ItemResult<Result>> => {
    const call = (signal: AbortSignal): Result | Promise<Result> => worker(item, index, signal);
    if (itemTimeoutMs === undefined) {
      const value = await call(combined);
      return onTimeout === "fail" ? value : { isTimedOut: false, value };
    }
    const result = await limited(call, combined, itemTimeoutMs, after, () => timeout(index, itemTimeoutMs));
    if (onTimeout === "report") return "late" in result ? { isTimedOut: true } : { isTimedOut: false, ...result };
    if ("late" in result) throw result.late;
    return result.value;
  };
  const work = async (): Promise<void> => {
    for (let next = await take(); next !== undefined; next = await take()) {
      results[next.index] = await handle(next.item, next.index);
      combined.throwIfAborted();
    }
  };
  const known = Array.isArray(items) ? items.length : Number.POSITIVE_INFINITY;
  const workers = Array.from({ length: Math.min(maxConcurrency, known, MOST_WORKERS) }, work);
  try {
    await Promise.all(workers);
  } catch (error) {
    failure.abort(error);
    await Promise.allSettled(workers);
    throw error;
  } finally {
    if (!isDone) await iterator.return?.();
  }
  for (const signal of outer) signal.throwIfAborted();
  return results;
}

// bounds the workers for an endless iterable with an endless limit
const MOST_WORKERS = 10_000;

type After = (delayMs: number, callback: () => void) => () => void;

/** Calls a worker with a signal of its own. Resolves with its value, or after `limitMs` with the reason of its abort. */
function limited<Result>(
  call: (signal: AbortSignal) => Result | Promise<Result>,
  outer: AbortSignal,
  limitMs: number,
  after: After,
  reason: () => FlowError,
): Promise<{ readonly value: Result } | { readonly late: FlowError }> {
  const own = new AbortController();
  const leave = onAbort(outer, (why) => own.abort(why));
  return new Promise<{ readonly value: Result } | { readonly late: FlowError }>((resolve, reject) => {
    const cancel = after(limitMs, () => {
      const late = reason();
      // settles first: what the worker does about the abort is late already
      resolve({ late });
      own.abort(late);
    });
    const work = async (): Promise<void> => resolve({ value: await call(own.signal) });
    void work().catch(reject).finally(cancel);
  }).finally(leave);
}

function timeout(index: number, limitMs: number): FlowError {
  return new FlowError({
    code: FlowErrorCode.WAIT_TIMEOUT,
    message: `Item ${index} of mapConcurrent took longer than ${limitMs} ms`,
    details: { index },
    retryable: true,
  });
}

/** Returns a function that sets a timer: of the flow whose handler maps, otherwise of the system's clock. */
function timerOf(ctx: MapConcurrentOptions["ctx"]): After {
  if (ctx === undefined) return (delayMs, callback) => systemClock.setTimer(callback, delayMs);
  const behind = typeof ctx === "object" && ctx !== null ? HandlerContext.behind(ctx) : undefined;
  if (behind === undefined)
    throw new TypeError(`Option "ctx" of mapConcurrent must be the context of a handler: got ${shown(ctx)}`);
  const { timers } = behind.services;
  return (delayMs, callback) => {
    const timer = timers.after(delayMs, callback);
    return () => timer.cancel();
  };
}

function checked(options: MapConcurrentOptions): MapConcurrentOptions {
  requireKnownKeys("mapConcurrent", options, ["maxConcurrency", "signal", "ctx", "itemTimeoutMs", "onTimeout"]);
  const { maxConcurrency, signal, itemTimeoutMs, onTimeout } = options;
  if (signal !== undefined) requireSignal("signal", signal);
  if (maxConcurrency !== undefined && maxConcurrency !== Number.POSITIVE_INFINITY)
    requireInteger("maxConcurrency", maxConcurrency, 1);
  if (itemTimeoutMs !== undefined) requireNumber("itemTimeoutMs", itemTimeoutMs, 1);
  if (onTimeout !== undefined) requireOneOf("onTimeout", onTimeout, ["fail", "report"]);
  return options;
}

function iteratorOf<Item>(items: Iterable<Item> | AsyncIterable<Item>): Iterator<Item> | AsyncIterator<Item> {
  const source = items as Partial<Iterable<Item> & AsyncIterable<Item>> | null | undefined;
  const makeAsync = source?.[Symbol.asyncIterator];
  if (typeof makeAsync === "function") return makeAsync.call(source);
  const make = source?.[Symbol.iterator];
  if (typeof make === "function") return make.call(source);
  throw new TypeError(`mapConcurrent needs an iterable of items: got ${shown(items)}`);
}
