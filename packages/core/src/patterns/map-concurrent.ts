import { requireInteger, requireKnownKeys, requireSignal, shown } from "../foundation/options.ts";

/** Options of {@link mapConcurrent}. */
export interface MapConcurrentOptions {
  /** Maximum number of items in flight. @defaultValue 8 */
  readonly maxConcurrency?: number;
  /** Cancels the whole run: once it aborts, no further item is started. */
  readonly signal?: AbortSignal;
}

/**
 * Maps items concurrently and resolves with the results in the order of the items. Items are taken lazily, so a
 * generator is never further ahead than the limit. The first failure aborts the signal of the other workers, prevents
 * further items and becomes the rejection.
 *
 * @throws the error of a worker, or the signal's reason
 */
export async function mapConcurrent<Item, Result>(
  items: Iterable<Item> | AsyncIterable<Item>,
  worker: (item: Item, index: number, signal: AbortSignal) => Result | Promise<Result>,
  options: MapConcurrentOptions = {},
): Promise<Result[]> {
  requireKnownKeys("mapConcurrent", options, ["maxConcurrency", "signal"]);
  const { maxConcurrency = 8, signal } = options;
  if (signal !== undefined) requireSignal("signal", signal);
  if (maxConcurrency !== Number.POSITIVE_INFINITY) requireInteger("maxConcurrency", maxConcurrency, 1);
  if (typeof worker !== "function")
    throw new TypeError(`mapConcurrent needs a worker function (item, index, signal): got ${typeof worker}`);
  signal?.throwIfAborted();
  const failure = new AbortController();
  const combined = signal === undefined ? failure.signal : AbortSignal.any([failure.signal, signal]);
  const results: Result[] = [];
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
  const work = async (): Promise<void> => {
    for (let next = await take(); next !== undefined; next = await take()) {
      results[next.index] = await worker(next.item, next.index, combined);
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
  signal?.throwIfAborted();
  return results;
}

// bounds the workers for an endless iterable with an endless limit
const MOST_WORKERS = 10_000;

function iteratorOf<Item>(items: Iterable<Item> | AsyncIterable<Item>): Iterator<Item> | AsyncIterator<Item> {
  const source = items as Partial<Iterable<Item> & AsyncIterable<Item>> | null | undefined;
  const makeAsync = source?.[Symbol.asyncIterator];
  if (typeof makeAsync === "function") return makeAsync.call(source);
  const make = source?.[Symbol.iterator];
  if (typeof make === "function") return make.call(source);
  throw new TypeError(`mapConcurrent needs an iterable of items: got ${shown(items)}`);
}
