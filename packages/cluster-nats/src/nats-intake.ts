import type { Intake, IntakeLimit, Offer, Offered, Wire } from "penguiflow/adapter";
import { type Broker, type Found, isFull, type Stored } from "./broker.ts";
import { token } from "./names.ts";

const WAKE = Uint8Array.of(1);
/** Length of messages of one answer: a server drops a connection that is too far behind. */
const ANSWER_BYTES = 8_388_608;
/** First pause before a replica that lacked an item is asked again, in milliseconds. */
const LATE_MS = 5;
/** Milliseconds for which a partition is listened to after its last read. */
const IDLE_MS = 10_000;

/** A partition that is being read. */
interface Hearing {
  readonly subscription: Disposable;
  readonly waiting: Set<() => void>;
  timer: ReturnType<typeof setTimeout> | undefined;
}

/**
 * Stores each item under a subject of its own: partition, lane and key. A key is refused for exactly as long as its item
 * is there, whatever the de-duplication window of the stream. A marker names each lane that was ever used.
 */
export class NatsIntake implements Intake, Disposable {
  readonly #broker: Broker;
  readonly #stream: string;
  readonly #name: string;
  readonly #wire: Wire;
  /** Lanes whose marker is stored. */
  readonly #marked = new Set<string>();
  /** Positions up to which a lane was trimmed by this process. */
  readonly #trimmed = new Map<string, number>();
  readonly #heard = new Map<string, Hearing>();
  /** Partitions that had more items than a read wanted. */
  readonly #crowded = new Set<string>();

  constructor(broker: Broker, stream: string, name: string, wire: Wire) {
    this.#broker = broker;
    this.#stream = stream;
    this.#name = name;
    this.#wire = wire;
  }

  async offer(offers: readonly Offer[]): Promise<readonly ("stored" | "duplicate" | "full")[]> {
    await Promise.all(offers.map(({ partition, lane }) => this.#mark(partition, lane)));
    // published in order over one connection, which keeps it
    const answers = await Promise.all(offers.map((offer) => this.#store(offer)));
    for (const partition of new Set(offers.map((offer) => offer.partition)))
      this.#wire.publish(wakeSubject(partition), WAKE);
    return answers;
  }

  async read(partition: string, after: ReadonlyMap<number, number>, limit: IntakeLimit): Promise<readonly Offered[]> {
    const { waitMs, signal } = limit;
    const end = performance.now() + waitMs;
    const hearing = this.#hear(partition);
    let isAwake = false;
    for (let lateMs = LATE_MS; !signal.aborted;) {
      // heard before it looks, so that nothing comes unheard in between
      const { promise: heard, resolve: wake } = Promise.withResolvers<boolean>();
      const awake = (): void => wake(true);
      const over = (): void => wake(false);
      hearing.waiting.add(awake);
      signal.addEventListener("abort", over, { once: true });
      let timer: ReturnType<typeof setTimeout> | undefined;
      try {
        const found = await this.#find(partition, after, limit);
        const leftMs = end - performance.now();
        if (found.length > 0 || leftMs <= 0) return signal.aborted ? [] : found;
        // the replica that was asked may lack an item that another told of
        timer = setTimeout(over, isAwake ? Math.min(lateMs, leftMs) : leftMs);
        if (isAwake) lateMs *= 2;
        if (await heard) isAwake = true;
      } finally {
        clearTimeout(timer);
        hearing.waiting.delete(awake);
        signal.removeEventListener("abort", over);
      }
    }
    return [];
  }

  async trim(partition: string, upTo: ReadonlyMap<number, number>): Promise<void> {
    await Promise.all(
      [...upTo].map(async ([lane, sequence]) => {
        const subject = `${this.#laneSubject(partition, lane)}.*`;
        if ((this.#trimmed.get(subject) ?? 0) >= sequence) return;
        await this.#broker.purge(this.#stream, subject, sequence + 1);
        this.#trimmed.set(subject, sequence);
      }),
    );
  }

  async backlog(partitions: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const counts = partitions.map(async (partition) => {
      const subject = `${this.#partitionSubject(partition)}.*.*`;
      return [partition, await this.#broker.count(this.#stream, subject)] as const;
    });
    return new Map(await Promise.all(counts));
  }

  [Symbol.dispose](): void {
    for (const { subscription, timer } of this.#heard.values()) {
      clearTimeout(timer);
      subscription[Symbol.dispose]();
    }
    this.#heard.clear();
  }

  async #store({ partition, lane, key, body }: Offer): Promise<"stored" | "duplicate" | "full"> {
    const name = token(key);
    try {
      const sequence = await this.#broker.publish(this.#stream, {
        subject: `${this.#laneSubject(partition, lane)}.${name}`,
        body,
        expected: 0,
        // a key is one of its partition, whatever its lane
        expectedOf: `${this.#partitionSubject(partition)}.*.${name}`,
      });
      return sequence === undefined ? "duplicate" : "stored";
    } catch (error) {
      if (isFull(error)) return "full";
      throw error;
    }
  }

  /** Stores the marker of a lane, before its first item. */
  async #mark(partition: string, lane: number): Promise<void> {
    const subject = `${this.#name}.lane.${token(partition)}.${lane}`;
    if (this.#marked.has(subject)) return;
    await this.#broker.publish(this.#stream, { subject, body: new Uint8Array(), expected: 0 });
    this.#marked.add(subject);
  }

  /**
   * Finds items. One request suffices unless more are there than are wanted: then each lane is asked for its share, until
   * none has more.
   */
  async #find(partition: string, after: ReadonlyMap<number, number>, limit: IntakeLimit): Promise<readonly Offered[]> {
    const lanesSeen = new Set(after.keys());
    if (!this.#crowded.has(partition)) {
      const subject = `${this.#partitionSubject(partition)}.*.*`;
      const { found, left } = await this.#broker.range(this.#stream, {
        subject,
        from: 1,
        count: limit.count,
        bytes: ANSWER_BYTES,
      });
      const items = found.map(offeredOf);
      if (left === 0) return limited([items.filter(({ lane, sequence }) => sequence > (after.get(lane) ?? 0))], limit);
      for (const { lane } of items) lanesSeen.add(lane);
      this.#crowded.add(partition);
    }
    const lanes = await this.#ofLanes(partition, lanesSeen, after, limit);
    if (lanes.every(({ left }) => left === 0)) this.#crowded.delete(partition);
    return limited(
      lanes.map(({ found }) => found.map(offeredOf)),
      limit,
    );
  }

  /** Finds items of each lane: those that have a marker, and those that were seen. */
  async #ofLanes(
    partition: string,
    lanesSeen: ReadonlySet<number>,
    after: ReadonlyMap<number, number>,
    { count }: IntakeLimit,
  ): Promise<Found[]> {
    const marker = `${this.#name}.lane.${token(partition)}`;
    const markers = await this.#broker.lastOf(this.#stream, [`${marker}.*`]);
    const marked = markers.map(({ subject }) => Number(subject.slice(marker.length + 1)));
    const lanes = [...new Set([...marked, ...lanesSeen])].filter(
      (lane) => (after.get(lane) ?? 0) < Number.MAX_SAFE_INTEGER,
    );
    return await Promise.all(
      lanes.map((lane) =>
        this.#broker.range(this.#stream, {
          subject: `${this.#laneSubject(partition, lane)}.*`,
          from: (after.get(lane) ?? 0) + 1,
          count,
          bytes: Math.ceil(ANSWER_BYTES / lanes.length),
        }),
      ),
    );
  }

  /** Listens to a partition for as long as it is read. */
  #hear(partition: string): Hearing {
    const known = this.#heard.get(partition);
    clearTimeout(known?.timer);
    const waiting = known?.waiting ?? new Set<() => void>();
    const subscription =
      known?.subscription ??
      this.#wire.subscribe(wakeSubject(partition), () => {
        for (const wake of waiting) wake();
      });
    const hearing: Hearing = known ?? { subscription, waiting, timer: undefined };
    this.#heard.set(partition, hearing);
    hearing.timer = setTimeout(() => {
      if (waiting.size > 0) return;
      subscription[Symbol.dispose]();
      this.#heard.delete(partition);
    }, IDLE_MS);
    hearing.timer.unref();
    return hearing;
  }

  #partitionSubject(partition: string): string {
    return `${this.#name}.in.${token(partition)}`;
  }

  #laneSubject(partition: string, lane: number): string {
    return `${this.#partitionSubject(partition)}.${lane}`;
  }
}

const wakeSubject = (partition: string): string => `intake/${partition}`;

function offeredOf({ subject, sequence, body }: Stored): Offered {
  return { lane: Number(subject.split(".").at(-2)), sequence, body };
}

/** Takes items of the lists in turns, up to the limit; one at least. */
function limited(lists: readonly Offered[][], { count, bytes }: IntakeLimit): readonly Offered[] {
  const taken: Offered[] = [];
  let size = 0;
  const longest = Math.max(0, ...lists.map(({ length }) => length));
  for (let turn = 0; turn < longest; turn += 1)
    for (const list of lists) {
      const item = list[turn];
      if (item === undefined) continue;
      if (taken.length >= count || (taken.length > 0 && size >= bytes)) return taken;
      taken.push(item);
      size += item.body.length;
    }
  return taken;
}
