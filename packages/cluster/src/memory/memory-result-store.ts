import { type Clock, systemClock } from "penguiflow";
import type { KeptResult, ResultKey, ResultRevision, ResultStore, StoredResult } from "penguiflow/adapter";

interface Kept extends KeptResult {
  readonly expiresAt: number;
}

/** Results after which expired ones are looked for. */
const SWEEP = 1_000;

/** Keeps results in this process. */
export class MemoryResultStore implements ResultStore {
  readonly #results = new Map<string, Kept>();
  readonly #clock: Clock;
  #untilSweep = SWEEP;
  #lastRevision = 0;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  async put(results: readonly StoredResult[]): Promise<readonly (number | "superseded")[]> {
    const now = this.#clock.now();
    this.#untilSweep -= results.length;
    if (this.#untilSweep < 0) this.#sweep(now);
    return results.map((result) => {
      const name = nameOf(result.key);
      const kept = this.#live(name, now);
      if (kept?.isFinal === true && !isEqual(kept, result)) return "superseded";
      this.#lastRevision += 1;
      this.#results.set(name, { ...result, revision: this.#lastRevision, expiresAt: now + result.keepMs });
      return this.#lastRevision;
    });
  }

  async get(keys: readonly ResultKey[]): Promise<readonly (KeptResult | undefined)[]> {
    const now = this.#clock.now();
    return keys.map((key) => this.#live(nameOf(key), now));
  }

  async forget(results: readonly ResultRevision[]): Promise<void> {
    for (const { key, revision } of results) {
      const name = nameOf(key);
      if (this.#results.get(name)?.revision === revision) this.#results.delete(name);
    }
  }

  /** Number of results that are kept. */
  get count(): number {
    this.#sweep(this.#clock.now());
    return this.#results.size;
  }

  #live(name: string, now: number): Kept | undefined {
    const kept = this.#results.get(name);
    return kept !== undefined && kept.expiresAt > now ? kept : undefined;
  }

  #sweep(now: number): void {
    for (const [name, { expiresAt }] of this.#results) if (expiresAt <= now) this.#results.delete(name);
    this.#untilSweep = Math.max(SWEEP, this.#results.size);
  }
}

function isEqual(one: StoredResult, other: StoredResult): boolean {
  return one.isFinal === other.isFinal && Buffer.compare(one.body, other.body) === 0;
}

const nameOf = ({ partition, tenant, id }: ResultKey): string => JSON.stringify([partition, tenant, id]);
