import { fnv1a } from "../../foundation/fnv.ts";
import { type Random, seededRandom } from "../../foundation/random.ts";

/** The decisions made before a run begins. */
export interface Setting {
  readonly seed: number;
  readonly requests: number;
  readonly faults: boolean;
  /** Whether processes of a durable flow crash, and disks are slow. */
  readonly crashes: boolean;
}

/** Possible rates of a kind of fault. Most runs have few kinds of faults. */
const RATES = [0, 0, 0, 0.03, 0.1, 0.3] as const;

/** Possible rates of a way in which people take their time. */
const HABITS = [0, 0.3, 0.8] as const;

/** Possible delays of whatever is slow, in milliseconds. */
export const DELAYS_MS = [1, 7, 40, 250, 2_000] as const;

/** The chances of one seed: its random numbers, the rates of its faults, and their number so far. */
export class Odds {
  /** Number of faults by kind. */
  readonly faults = new Map<string, number>();
  readonly #setting: Setting;
  readonly #rates = new Map<string, number>();
  readonly #possible = new Set<string>();

  constructor(setting: Setting) {
    this.#setting = setting;
  }

  /** Returns random numbers for one purpose, so that an additional draw here changes nothing elsewhere. */
  stream(purpose: string): Random {
    return seededRandom(fnv1a(`${this.#setting.seed} ${purpose}`) >>> 0);
  }

  /** Whether a fault of a kind occurs now. The seed determines the kinds of a run and their rates. */
  happens(kind: string, random: Random, mayHappen = this.#setting.faults, rates: readonly number[] = RATES): boolean {
    if (!mayHappen) return false;
    this.#possible.add(kind);
    let rate = this.#rates.get(kind);
    if (rate === undefined) this.#rates.set(kind, (rate = oneOf(rates, this.stream(`rate of ${kind}`))));
    if (random() >= rate) return false;
    this.count(kind);
    return true;
  }

  /** Whether someone takes their time, which is no fault. */
  isUnhurried(kind: string, random: Random): boolean {
    return this.happens(kind, random, this.#setting.crashes, HABITS);
  }

  /** Returns the rate at which an adapter's calls fail, in one of several ways. */
  rateOf(adapter: string, kinds: readonly string[]): number {
    if (!this.#setting.faults) return 0;
    for (const kind of kinds) this.#possible.add(kind);
    return oneOf(RATES, this.stream(`rate of ${adapter}`));
  }

  /** Kinds of faults that could occur and did not. */
  get neverOccurred(): readonly string[] {
    return [...this.#possible].filter((kind) => !this.faults.has(kind));
  }

  count(kind: string): void {
    this.faults.set(kind, (this.faults.get(kind) ?? 0) + 1);
  }
}

/** Draws one of several items. */
export function oneOf<Item>(items: readonly Item[], random: Random): Item {
  return items[Math.floor(random() * items.length)] as Item;
}

/** Adds to a count. */
export function add(counts: Map<string, number>, key: string, number: number): void {
  counts.set(key, (counts.get(key) ?? 0) + number);
}
