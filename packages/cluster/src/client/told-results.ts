import type { ResultRevision, ResultStore } from "penguiflow/adapter";

/** Repeated offers that are kept in mind; the oldest ones are over long since. */
const MAX_REPEATED = 10_000;

/** Results that only one client knows and has been told: they are removed, unless an owner may still need them. */
export class ToldResults {
  readonly #results: ResultStore;
  /** Ids and nonces of which an offer may be stored twice: a result keeps the second from being run. */
  readonly #repeated = new Set<string>();
  #told: ResultRevision[] = [];

  constructor(results: ResultStore) {
    this.#results = results;
  }

  /** Number of results that are to be removed. */
  get size(): number {
    return this.#told.length;
  }

  /** Notes that an offer of an id may be stored twice: its result stays. */
  repeated(id: string): void {
    this.#repeated.add(id);
    const [oldest] = this.#repeated;
    if (this.#repeated.size > MAX_REPEATED && oldest !== undefined) this.#repeated.delete(oldest);
  }

  /** Notes a result that the client has been told; several readers of a trace may be, and each of them twice. */
  told(stored: ResultRevision | undefined): void {
    if (stored !== undefined && !this.#repeated.has(stored.key.id)) this.#told.push(stored);
  }

  /** Removes the results that were told since the last time that succeeded. */
  async remove(): Promise<void> {
    const told = this.#told;
    this.#told = [];
    if (told.length === 0) return;
    try {
      await this.#results.forget(told);
    } catch (error) {
      this.#told.push(...told);
      throw error;
    }
  }
}
