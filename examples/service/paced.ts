// Pace and time limit of writing an answer.
import { tooLong } from "./problem.ts";

/**
 * Resolves when the system has accepted the data that `write` writes. A node that writes its chunks like this works as
 * fast as its reader reads: at most one chunk and the system's buffers lie between them.
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

/** Creates a signal that aborts with `left`, or when a slow reader's time is up. Holds a timer until it is disposed. */
export function expiring(left: AbortSignal, timeoutMs: number): Disposable & { readonly signal: AbortSignal } {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(tooLong("DEADLINE_EXCEEDED")), timeoutMs);
  return { signal: AbortSignal.any([left, late.signal]), [Symbol.dispose]: () => clearTimeout(timer) };
}
