/** Number of latest durations that are kept of a node. */
const KEPT = 256;

/** The latest durations of a node's handler: p50 and p95 of them are shown. */
export class Latencies {
  readonly #ms = new Float32Array(KEPT);
  #count = 0;

  /** Number of durations ever added. */
  get count(): number {
    return this.#count;
  }

  /** Adds a duration; the oldest one goes once there are {@link KEPT}. */
  add(ms: number): void {
    this.#ms[this.#count % KEPT] = ms;
    this.#count++;
  }

  /** Returns the nearest-rank quantiles of the kept durations; `undefined` before the first. */
  quantiles(): { readonly p50: number; readonly p95: number } | undefined {
    const kept = Math.min(KEPT, this.#count);
    if (kept === 0) return undefined;
    const sorted = this.#ms.slice(0, kept).sort();
    const rank = (part: number): number => sorted[Math.ceil(part * kept) - 1] as number;
    return { p50: rank(0.5), p95: rank(0.95) };
  }
}
