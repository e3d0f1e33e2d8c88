import type { Limiter } from "../../graph/limiter.ts";
import { FairQueue, type LaneOwner, type QueueItem } from "../../queue/fair-queue.ts";

/** An attempt, as seen by the line of a limiter. */
export interface PermitItem extends QueueItem {
  readonly trace: LaneOwner;
  readonly worker: { readonly limit: NodeLimit | undefined };
}

/**
 * The permits of one key of a limiter, and the attempts that wait for one. Tenants take turns, by the weights of their
 * flows.
 *
 * Invariants: an attempt holds a permit only while its handler runs and waits for nothing in the runtime. So permits
 * always become free, and no permit is part of a deadlock. Permits are free while attempts wait only until the node of
 * the first one is pumped.
 */
export class PermitLine extends FairQueue<PermitItem> {
  /** Number of permits in use. */
  used = 0;
  readonly key: string;
  readonly #permits: Permits;

  constructor(permits: Permits, key: string) {
    super(false, (tenant) => permits.weightOf(tenant));
    this.#permits = permits;
    this.key = key;
  }

  get isFree(): boolean {
    return this.used < this.#permits.concurrency;
  }

  /** Takes a permit unless none is free or others wait. Returns whether it did. */
  take(): boolean {
    if (!this.isFree || this.size > 0) return false;
    this.used += 1;
    return true;
  }

  /** Takes the permit of the attempt that was first in line. Requires a free one. */
  takeTurn(): void {
    this.used += 1;
  }

  /** Returns a permit and offers it to the first attempt in line. */
  giveBack(): void {
    this.used -= 1;
    this.offer();
  }

  /** Appends an attempt. */
  join(item: PermitItem): void {
    this.#permits.weightOf = (item.worker.limit as NodeLimit).weightOf;
    this.push(item.trace, item, false);
    this.offer();
  }

  /** Has the node of the first attempt in line pumped if a permit is free. Forgets the key if nothing is left of it. */
  offer(): void {
    const first = this.isFree ? this.peek() : null;
    if (first !== null) {
      const limit = first.worker.limit as NodeLimit;
      limit.offered.add(this);
      limit.wake();
    } else if (this.used === 0 && this.size === 0) this.#permits.forget(this.key, this);
  }
}

/** State of a limiter: the keys with a permit in use or an attempt that waits. */
export class Permits {
  readonly concurrency: number;
  /** Weights of the flow whose attempt joins a line. */
  weightOf: (tenant: string) => number = () => 1;
  readonly #lines = new Map<string, PermitLine>();

  constructor(concurrency: number) {
    this.concurrency = concurrency;
  }

  /** Returns the line of a key. It is forgotten when its last permit is returned. */
  lineOf(key: string): PermitLine {
    let line = this.#lines.get(key);
    if (line === undefined) {
      line = new PermitLine(this, key);
      this.#lines.set(key, line);
    }
    return line;
  }

  forget(key: string, line: PermitLine): void {
    if (this.#lines.get(key) === line) this.#lines.delete(key);
  }

  /** Number of keys in use. */
  get keys(): number {
    return this.#lines.size;
  }

  /** Number of permits in use, and of attempts that wait for one. */
  get load(): { readonly used: number; readonly waiting: number } {
    let [used, waiting] = [0, 0];
    for (const line of this.#lines.values()) {
      used += line.used;
      waiting += line.size;
    }
    return { used, waiting };
  }
}

/** The limiter of one node. */
export interface NodeLimit {
  readonly limiter: Limiter;
  readonly permits: Permits;
  readonly weightOf: (tenant: string) => number;
  /** Lines with a free permit whose first attempt belongs to the node. */
  readonly offered: Set<PermitLine>;
  /** Schedules a pump of the node. */
  readonly wake: () => void;
}

const known = new WeakMap<Limiter, Permits>();

/** Returns the state of a limiter, which all flows share. */
export function permitsOf(limiter: Limiter): Permits {
  let permits = known.get(limiter);
  if (permits === undefined) {
    permits = new Permits(limiter.concurrency);
    known.set(limiter, permits);
  }
  return permits;
}
