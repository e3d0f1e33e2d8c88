// How fast an answer is written, and for how long.
import { tooLong } from "./problem.ts";

/**
 * Resolves when the system has taken what `write` writes. A node whose chunks are written like this works as fast
 * as its reader reads, with one chunk and the buffers of the system between them.
 *
 * @throws the reason of `signal`; the error of a reader that has left
 */
export async function paced(
  write: (taken: (error?: Error | null) => void) => unknown,
  signal: AbortSignal,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const giveUp = () => reject(signal.reason as Error);
  signal.throwIfAborted();
  signal.addEventListener("abort", giveUp);
  try {
    write((error) => (error ? reject(error) : resolve()));
    await promise;
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}

/** Aborts with `left`, and when the time is up for a reader that is too slow. Holds a timer until it is disposed of. */
export function expiring(left: AbortSignal, timeoutMs: number): Disposable & { readonly signal: AbortSignal } {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(tooLong("DEADLINE_EXCEEDED")), timeoutMs);
  return { signal: AbortSignal.any([left, late.signal]), [Symbol.dispose]: () => clearTimeout(timer) };
}
