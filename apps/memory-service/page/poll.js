/**
 * Repeats work until the signal aborts, `ms` after each answer, while the page is in sight.
 *
 * @param {() => Promise<void>} work
 * @param {number} ms
 * @param {AbortSignal} signal
 */
export async function poll(work, ms, signal) {
  while (!signal.aborted) {
    await work();
    await rest(ms, signal);
    while (document.hidden && !signal.aborted) await seen(signal);
  }
}

/**
 * @param {number} ms
 * @param {AbortSignal} signal
 */
async function rest(ms, signal) {
  await new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve(undefined)), { once: true });
  });
}

/** @param {AbortSignal} signal */
async function seen(signal) {
  await new Promise((resolve) => {
    document.addEventListener("visibilitychange", resolve, { once: true, signal });
    signal.addEventListener("abort", resolve, { once: true });
  });
}
