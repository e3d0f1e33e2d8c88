import { type Clock, systemClock } from "../foundation/clock.ts";
import type { FlowError } from "../foundation/flow-error.ts";
import { newId } from "../foundation/ids.ts";
import { journalFenced, journalOwned } from "../ports/journal-errors.ts";
import type { Journal, JournalBatch, JournalClaim, JournalEntry, JournalPartition } from "../ports/journal.ts";

const ENTRIES_PER_PAGE = 1000;

interface Kept {
  readonly id: string;
  epoch: number;
  sequence: number;
  owner: string;
  /** The clock's `now()` at which the claim expires. */
  claimEndsAt: number;
  readonly entries: Map<number, JournalEntry>;
  readonly counts: Map<string, number>;
}

/** Stores the state of durable flows for the lifetime of the process: for tests and experiments. */
export class MemoryJournal implements Journal {
  readonly #clock: Clock;
  readonly #partitions = new Map<string, Kept>();

  /**
   * Creates an empty journal.
   *
   * @param options - `clock` determines when a claim expires; @defaultValue the machine's clock
   */
  constructor(options: { readonly clock?: Clock | undefined } = {}) {
    this.#clock = options.clock ?? systemClock;
  }

  /**
   * Acquires a partition.
   *
   * @throws FlowError `JOURNAL_OWNED` while another writer's claim is valid
   */
  async open({ partition, owner, leaseMs }: JournalClaim): Promise<JournalPartition> {
    let kept = this.#partitions.get(partition);
    if (kept === undefined) {
      const [entries, counts] = [new Map<number, JournalEntry>(), new Map<string, number>()];
      kept = { id: newId(), epoch: 0, sequence: 0, owner, claimEndsAt: 0, entries, counts };
      this.#partitions.set(partition, kept);
    }
    const now = this.#clock.now();
    if (kept.claimEndsAt > now && kept.epoch > 0)
      throw journalOwned({ partition, owner: kept.owner, endsInMs: kept.claimEndsAt - now });
    kept.epoch += 1;
    kept.owner = owner;
    kept.claimEndsAt = now + leaseMs;
    return new MemoryPartition(kept, partition, leaseMs, this.#clock);
  }
}

class MemoryPartition implements JournalPartition {
  readonly id: string;
  readonly epoch: number;
  readonly #kept: Kept;
  readonly #name: string;
  readonly #leaseMs: number;
  readonly #clock: Clock;
  #isClosed = false;

  constructor(kept: Kept, name: string, leaseMs: number, clock: Clock) {
    this.id = kept.id;
    this.epoch = kept.epoch;
    this.#kept = kept;
    this.#name = name;
    this.#leaseMs = leaseMs;
    this.#clock = clock;
  }

  get sequence(): number {
    return this.#kept.sequence;
  }

  async *read(): AsyncGenerator<readonly JournalEntry[]> {
    this.#requireClaim();
    const entries = [...this.#kept.entries.values()].sort((a, b) => a.run - b.run);
    for (let start = 0; start < entries.length; start += ENTRIES_PER_PAGE)
      yield entries.slice(start, start + ENTRIES_PER_PAGE);
  }

  async counts(): Promise<ReadonlyMap<string, number>> {
    this.#requireClaim();
    return new Map(this.#kept.counts);
  }

  async append({ put, remove, counts }: JournalBatch, expectedSequence: number): Promise<number> {
    const kept = this.#requireClaim();
    if (expectedSequence !== kept.sequence) throw this.#fenced(`batch ${kept.sequence} is the last`);
    for (const entry of put) kept.entries.set(entry.run, entry);
    for (const run of remove) kept.entries.delete(run);
    for (const [node, count] of counts) kept.counts.set(node, (kept.counts.get(node) ?? 0) + count);
    kept.sequence += 1;
    kept.claimEndsAt = this.#clock.now() + this.#leaseMs;
    return kept.sequence;
  }

  async renew(): Promise<void> {
    this.#requireClaim().claimEndsAt = this.#clock.now() + this.#leaseMs;
  }

  async close(): Promise<void> {
    if (!this.#isClosed && this.#kept.epoch === this.epoch) this.#kept.claimEndsAt = 0;
    this.#isClosed = true;
  }

  #requireClaim(): Kept {
    if (this.#isClosed) throw this.#fenced("it was closed");
    if (this.#kept.epoch !== this.epoch) throw this.#fenced(`"${this.#kept.owner}" has it now`);
    return this.#kept;
  }

  #fenced(why: string): FlowError {
    return journalFenced(this.#name, why);
  }
}
