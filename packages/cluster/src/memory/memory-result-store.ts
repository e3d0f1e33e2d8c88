import { type Clock, systemClock } from "penguiflow";
import type { ResultKey, ResultStore, StoredResult } from "penguiflow/adapter";

interface Kept extends StoredResult {
  readonly expiresAt: number;
}

/** Results after which expired ones are looked for. */
const SWEEP = 1_000;

/** Keeps results in this process. */
export class MemoryResultStore implements ResultStore {
  readonly #results = new Map<string, Kept>();
  readonly #clock: Clock;
  #untilSweep = SWEEP;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  async put(results: readonly StoredResult[]): Promise<readonly ("stored" | "superseded")[]> {
    const now = this.#clock.now();
    this.#untilSweep -= results.length;
    if (this.#untilSweep < 0) this.#sweep(now);
    return results.map((result) => {
      const name = nameOf(result.key);
      const kept = this.#live(name, now);
      if (kept?.isFinal === true && !isEqual(kept, result)) return "superseded";
      this.#results.set(name, { ...result, expiresAt: now + result.keepMs });
      return "stored";
    });
  }

  async get(keys: readonly ResultKey[]): Promise<readonly (StoredResult | undefined)[]> {
    const now = this.#clock.now();
    return keys.map((key) => this.#live(nameOf(key), now));
  }

  async forget(keys: readonly ResultKey[]): Promise<void> {
    for (const key of keys) this.#results.delete(nameOf(key));
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
