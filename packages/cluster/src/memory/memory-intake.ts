import { type Clock, systemClock } from "penguiflow";
import type { Intake, IntakeLimit, Offer, Offered } from "penguiflow/adapter";

interface Lane {
  readonly items: (Offered & { readonly key: string })[];
  last: number;
}

interface Partition {
  readonly lanes: Map<number, Lane>;
  readonly keys: Set<string>;
  readonly waiting: Set<() => void>;
}

/** Options of `memoryBackend`. */
export interface MemoryIntakeOptions {
  /** Items of a partition that have not been trimmed. @defaultValue 100_000 */
  readonly maxItems?: number | undefined;
}

/** An intake in this process: for tests, experiments, and clusters of forked processes. */
export class MemoryIntake implements Intake {
  readonly #partitions = new Map<string, Partition>();
  readonly #maxItems: number;
  readonly #clock: Clock;

  constructor({ maxItems = 100_000 }: MemoryIntakeOptions = {}, clock: Clock = systemClock) {
    this.#clock = clock;
    this.#maxItems = maxItems;
  }

  async offer(offers: readonly Offer[]): Promise<readonly ("stored" | "duplicate" | "full")[]> {
    return offers.map((offer) => this.#store(offer));
  }

  async read(partition: string, after: ReadonlyMap<number, number>, limit: IntakeLimit): Promise<readonly Offered[]> {
    const found = this.#take(partition, after, limit);
    if (found.length > 0 || limit.waitMs === 0 || limit.signal.aborted) return found;
    await this.#arrival(partition, limit);
    return limit.signal.aborted ? [] : this.#take(partition, after, limit);
  }

  async trim(partition: string, upTo: ReadonlyMap<number, number>): Promise<void> {
    const { lanes, keys } = this.#partition(partition);
    for (const [lane, position] of upTo) {
      const items = lanes.get(lane)?.items ?? [];
      const kept = items.findIndex(({ sequence }) => sequence > position);
      for (const { key } of items.splice(0, kept < 0 ? items.length : kept)) keys.delete(key);
    }
  }

  async backlog(partitions: readonly string[]): Promise<ReadonlyMap<string, number>> {
    return new Map(partitions.map((name) => [name, this.#partitions.get(name)?.keys.size ?? 0]));
  }

  /** Share of its bound that the fullest partition has in use. */
  get fill(): number {
    return Math.max(0, ...[...this.#partitions.values()].map(({ keys }) => keys.size)) / this.#maxItems;
  }

  #store({ partition: name, lane, key, body }: Offer): "stored" | "duplicate" | "full" {
    const partition = this.#partition(name);
    if (partition.keys.has(key)) return "duplicate";
    if (partition.keys.size >= this.#maxItems) return "full";
    const queue = laneOf(partition, lane);
    queue.last += 1;
    queue.items.push({ lane, sequence: queue.last, body, key });
    partition.keys.add(key);
    for (const wake of partition.waiting) wake();
    return "stored";
  }

  /** Takes items of the lanes in turns. */
  #take(name: string, after: ReadonlyMap<number, number>, { count, bytes }: IntakeLimit): readonly Offered[] {
    const queues = [...this.#partition(name).lanes].map(([lane, { items }]) => {
      const position = after.get(lane) ?? 0;
      return { items, next: items.findIndex(({ sequence }) => sequence > position) };
    });
    const found: Offered[] = [];
    let size = 0;
    let open = queues.filter(({ next }) => next >= 0);
    while (open.length > 0 && found.length < count && size < bytes) {
      for (const queue of open) {
        if (found.length >= count || size >= bytes) break;
        const { lane, sequence, body } = queue.items[queue.next]!;
        queue.next += 1;
        size += body.length;
        found.push({ lane, sequence, body });
      }
      open = open.filter(({ next, items }) => next < items.length);
    }
    return found;
  }

  #arrival(name: string, { waitMs, signal }: IntakeLimit): Promise<void> {
    return new Promise((resolve) => {
      const { waiting } = this.#partition(name);
      const done = (): void => {
        cancel();
        waiting.delete(done);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const cancel = this.#clock.setTimer(done, waitMs);
      waiting.add(done);
      signal.addEventListener("abort", done, { once: true });
    });
  }

  #partition(name: string): Partition {
    let partition = this.#partitions.get(name);
    if (partition === undefined) {
      partition = { lanes: new Map(), keys: new Set(), waiting: new Set() };
      this.#partitions.set(name, partition);
    }
    return partition;
  }
}

function newLane(): Lane {
  return { items: [], last: 0 };
}

function laneOf({ lanes }: Partition, lane: number): Lane {
  const queue = lanes.get(lane) ?? newLane();
  lanes.set(lane, queue);
  return queue;
}
