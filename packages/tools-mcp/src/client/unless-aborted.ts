/** Waits for a value that others may wait for, too, until the signal aborts. */
export async function unlessAborted<Value>(value: Promise<Value>, signal: AbortSignal): Promise<Value> {
  let stop = (): void => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    const listener = (): void => reject(signal.reason as Error);
    signal.addEventListener("abort", listener, { once: true });
    stop = () => signal.removeEventListener("abort", listener);
  });
  try {
    return await Promise.race([value, aborted]);
  } finally {
    stop();
  }
}
