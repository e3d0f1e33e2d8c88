import type {
  Checkpoint,
  CheckpointBatch,
  CheckpointFilter,
  CheckpointPartition,
  FlowError,
  LogRow,
  PartitionSize,
  StoredOutcome,
  TraceKey,
} from "penguiflow";
import { partitionFenced, sharedLeaseEnded } from "penguiflow/adapter";
import { changesOf, type Line, writeLine } from "./changes.ts";
import type { NatsSharedLeases } from "./nats-shared-lease.ts";
import type { PartitionLog } from "./partition-log.ts";
import { lengthOf, PartitionState } from "./partition-state.ts";

const ENTRIES_PER_PAGE = 1_000;

/** The facts of a partition that each record repeats. */
export interface Head {
  /** Id of the partition. */
  readonly id: string;
  readonly fencingToken: number;
  /** Number of the last batch. */
  readonly sequence: number;
  readonly owner: string;
  /** Milliseconds after which its lease ends unless another record follows. */
  readonly leaseMs: number;
  /** Whether its owner has given the lease back. */
  readonly isReleased: boolean;
  /** Id of the shared lease, which takes the place of `leaseMs`. */
  readonly under?: string | undefined;
}

/** A partition as it was opened. */
export interface Opened {
  readonly head: Head;
  /** Sequence of the record that has opened it. */
  readonly sequence: number;
  /** The monotonic clock when that record was sent. */
  readonly sentAt: number;
  /** The shared lease under which the next record puts it. */
  readonly lease: { readonly id: string; readonly of: NatsSharedLeases } | undefined;
}

/**
 * A partition whose contents are in memory; its log is written. The first read loads it, while the lease is renewed:
 *
 * unread → loading → loaded, or lost at any time
 */
export class NatsPartition implements CheckpointPartition {
  readonly #log: PartitionLog;
  readonly #name: string;
  /** The contents; empty until they are loaded. */
  #state = new PartitionState();
  readonly #loading: AsyncGenerator<undefined, undefined>;
  #isLoaded = false;
  /** Sequences of renewals that were stored before the contents were loaded. */
  readonly #early: number[] = [];
  #head: Head;
  /** Sequence of the last record. */
  #last: number;
  /** The monotonic clock when the last record was sent: until `leaseMs` later, no other can have the partition. */
  #heldAt: number;
  #lostBecause: string | undefined;
  readonly #lease: Opened["lease"];
  /** Whether the answer to the last record was lost. */
  #isUnsure = false;
  /** Whether there is nothing left to release. */
  #isReleased = false;
  /** Settles with the latest call; records follow each other. */
  #calls: Promise<unknown> = Promise.resolve();

  constructor(log: PartitionLog, name: string, { head, sequence, sentAt, lease }: Opened) {
    this.#log = log;
    this.#name = name;
    this.#head = head;
    this.#last = sequence;
    this.#loading = this.#load(sequence);
    this.#heldAt = sentAt;
    this.#lease = lease;
  }

  get id(): string {
    return this.#head.id;
  }

  get fencingToken(): number {
    return this.#head.fencingToken;
  }

  get sequence(): number {
    return this.#head.sequence;
  }

  get size(): PartitionSize {
    return this.#state.size;
  }

  async *read(filter: CheckpointFilter = {}): AsyncGenerator<readonly Checkpoint[]> {
    this.#requireHeld();
    // tells its caller, whose patience has an end, that it gets on
    while (!this.#isLoaded && (await this.#loading.next()).done !== true) yield [];
    await this.#requireLease();
    const { entries } = this.#state;
    const runs = filter.runs === undefined ? entries.keys() : new Set(filter.runs);
    const ids = filter.traceIds && new Set(filter.traceIds);
    const candidates = [...runs].flatMap((run) => entries.get(run) ?? []);
    const found = candidates.filter((entry) => fits(entry, filter) && ids?.has(entry.traceId) !== false);
    found.sort((a, b) => a.run - b.run);
    for (let start = 0; start < found.length; start += ENTRIES_PER_PAGE) {
      await this.#requireLease();
      yield found.slice(start, start + ENTRIES_PER_PAGE);
    }
  }

  async countAtRest(): Promise<number> {
    await this.#requireLoaded();
    let count = 0;
    for (const { dueAt } of this.#state.entries.values()) if (dueAt !== undefined) count += 1;
    return count;
  }

  async nextDueAt(after: number): Promise<number | undefined> {
    await this.#requireLoaded();
    let next = Number.POSITIVE_INFINITY;
    for (const { dueAt } of this.#state.entries.values())
      if (dueAt !== undefined && dueAt > after && dueAt < next) next = dueAt;
    return Number.isFinite(next) ? next : undefined;
  }

  async readLog(run: number): Promise<readonly LogRow[]> {
    await this.#requireLoaded();
    return [...(this.#state.rows.get(run)?.values() ?? [])].sort((a, b) => a.at - b.at);
  }

  async counts(): Promise<ReadonlyMap<string, number>> {
    await this.#requireLoaded();
    return new Map(this.#state.counts);
  }

  async outcomes(keys: readonly TraceKey[]): Promise<readonly StoredOutcome[]> {
    await this.#requireLoaded();
    return [...new Set(keys.flatMap((key) => [...this.#state.outcomesOf(key)]))];
  }

  async expiring(limit: number): Promise<readonly Pick<StoredOutcome, "run" | "expiresAt">[]> {
    await this.#requireLoaded();
    return [...this.#state.outcomes.values()].sort((a, b) => a.expiresAt - b.expiresAt).slice(0, limit);
  }

  async consumed(): Promise<ReadonlyMap<number, number>> {
    await this.#requireLoaded();
    return new Map(this.#state.consumed);
  }

  async append(batch: CheckpointBatch, expectedSequence: number): Promise<number> {
    await this.#loaded();
    return await this.#inTurn(async () => {
      this.#requireHeld();
      if (expectedSequence !== this.sequence) {
        // another may have the partition, and be at another batch
        await this.#askLeader();
        throw this.#fenced(`batch ${this.sequence} is the last`);
      }
      await this.#store({ sequence: expectedSequence + 1 }, changesOf(batch, this.#state).map(writeLine));
      return this.sequence;
    });
  }

  async renew(): Promise<void> {
    await this.#inTurn(async () => {
      this.#requireHeld();
      await this.#store({}, []);
      // after it: a lease that ends from now on is not renewed any more
      if (this.#lease === undefined || (await this.#lease.of.last(this.#lease.id)) !== undefined) return;
      throw sharedLeaseEnded(this.#head.owner, "it is not there any more");
    });
  }

  async close(): Promise<void> {
    await this.#inTurn(async () => {
      this.#lostBecause ??= "it was closed";
      if (this.#isReleased) return;
      const last = this.#isUnsure ? await this.#lastOwn() : { head: this.#head, sequence: this.#last };
      this.#isUnsure = true;
      if (last !== undefined) await this.#log.append({ ...last.head, isReleased: true }, [], last.sequence);
      this.#isReleased = true;
      await this.#log.flush();
    });
  }

  /** Returns the last record if it is of this writer and holds the partition. */
  async #lastOwn(): Promise<{ readonly head: Head; readonly sequence: number } | undefined> {
    const last = await this.#log.last();
    return last?.head.fencingToken === this.fencingToken && !last.head.isReleased ? last : undefined;
  }

  /** Stores a record, with items of the oldest ones where these take too much room. */
  async #store(change: Partial<Head>, lines: readonly Line[]): Promise<void> {
    // before the changes, which may replace them
    const all = [...this.#state.toRewrite(lengthOf(lines)), ...lines];
    const head = { ...this.#head, ...change, ...(this.#lease !== undefined && { under: this.#lease.id }) };
    const sentAt = performance.now();
    let stored: Awaited<ReturnType<PartitionLog["append"]>>;
    try {
      stored = await this.#log.append(head, all, this.#last);
    } catch (error) {
      this.#lostBecause = "the answer to its last batch was lost; open it again";
      this.#isUnsure = true;
      throw error;
    }
    if (stored === undefined) throw await this.#superseded();
    this.#heldAt = sentAt;
    this.#head = head;
    this.#last = stored.sequence;
    if (!this.#isLoaded) {
      this.#early.push(stored.sequence);
      return;
    }
    this.#state.apply(stored.sequence, all, stored.parts);
    const dropped = this.#state.drop();
    if (dropped !== undefined) this.#log.drop(dropped);
  }

  /** Reads the log up to the record that has opened the partition. Yields whenever it has got on. */
  async *#load(until: number): AsyncGenerator<undefined, undefined> {
    const reading = this.#log.read(until);
    try {
      for (let read = await reading.next(); ; read = await reading.next()) {
        this.#requireHeld();
        if (read.done === true) {
          this.#state = read.value;
          break;
        }
        yield;
      }
    } catch (error) {
      this.#lostBecause ??= "its log could not be read; open it again";
      throw error;
    }
    for (const sequence of this.#early) this.#state.apply(sequence, [], undefined);
    this.#isLoaded = true;
  }

  /** Resolves once the contents are loaded. Callers load them together. */
  async #loaded(): Promise<void> {
    this.#requireHeld();
    while (!this.#isLoaded && (await this.#loading.next()).done !== true);
  }

  /** Loads the contents, and throws when another has taken the partition. */
  async #requireLoaded(): Promise<void> {
    await this.#loaded();
    await this.#requireLease();
  }

  /** Throws when another has taken the partition. The leader is asked once the lease may have ended. */
  async #requireLease(): Promise<void> {
    this.#requireHeld();
    if (performance.now() < this.#heldUntil) return;
    await this.#inTurn(async () => {
      this.#requireHeld();
      await this.#askLeader();
    });
  }

  /** The monotonic clock until when no other process can have the partition. */
  get #heldUntil(): number {
    if (this.#head.under === undefined) return this.#heldAt + this.#head.leaseMs;
    return this.#lease?.of.own(this.#head.under)?.heldUntil ?? 0;
  }

  async #askLeader(): Promise<void> {
    if (await this.#log.hasAfter(this.#last)) throw await this.#superseded();
  }

  #requireHeld(): void {
    if (this.#lostBecause !== undefined) throw this.#fenced(this.#lostBecause);
  }

  /** Returns the error of a writer that finds a record of another. */
  async #superseded(): Promise<FlowError> {
    const last = await this.#log.last();
    this.#isReleased = true;
    this.#lostBecause = last === undefined ? "it is not there any more" : `"${last.head.owner}" has it now`;
    return this.#fenced(this.#lostBecause);
  }

  #fenced(why: string): FlowError {
    return partitionFenced(this.#name, why);
  }

  async #inTurn<Value>(call: () => Promise<Value>): Promise<Value> {
    const called = this.#calls.then(call);
    this.#calls = called.catch(() => {});
    return await called;
  }
}

function fits(entry: Checkpoint, { isAtRest, tenant, dueBy }: CheckpointFilter): boolean {
  const { dueAt } = entry;
  if (isAtRest !== undefined && isAtRest !== (dueAt !== undefined)) return false;
  if (tenant !== undefined && tenant !== entry.tenant) return false;
  return dueBy === undefined || (dueAt !== undefined && dueAt <= dueBy);
}
