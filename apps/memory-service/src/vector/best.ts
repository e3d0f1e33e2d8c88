/** Keeps the `limit` highest scores that were offered. */
export class Best {
  readonly #limit: number;
  /** Descending by score. */
  readonly #kept: { readonly seq: number; readonly score: number }[] = [];
  /** The score that an offer must exceed to be kept. */
  least: number = Number.NEGATIVE_INFINITY;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Offers a score. Of equal ones the first is kept. */
  offer(seq: number, score: number): void {
    if (score <= this.least) return;
    let low = 0;
    let high = this.#kept.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#kept[middle]?.score ?? 0) >= score) low = middle + 1;
      else high = middle;
    }
    this.#kept.splice(low, 0, { seq, score });
    if (this.#kept.length > this.#limit) this.#kept.pop();
    if (this.#kept.length === this.#limit) this.least = this.#kept.at(-1)?.score ?? this.least;
  }

  /** Returns sequence numbers, the best first. */
  ranked(): number[] {
    return this.#kept.map(({ seq }) => seq);
  }
}
