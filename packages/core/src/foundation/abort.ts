/**
 * Calls `listener` once when `signal` aborts, immediately if it already has.
 *
 * @returns a function that removes the listener
 */
export function onAbort(signal: AbortSignal, listener: (reason: unknown) => void): () => void {
  if (signal.aborted) {
    listener(signal.reason);
    return () => {};
  }
  const handle = () => listener(signal.reason);
  signal.addEventListener("abort", handle, { once: true });
  return () => signal.removeEventListener("abort", handle);
}
