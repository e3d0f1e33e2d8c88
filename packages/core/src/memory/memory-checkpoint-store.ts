import { requireKnownKeys, requireMethods } from "../foundation/options.ts";
import { type Clock, systemClock } from "../foundation/clock.ts";
import type { FlowError } from "../foundation/flow-error.ts";
import { newId } from "../foundation/ids.ts";
import { partitionFenced, partitionLeased, sharedLeaseEnded } from "../ports/checkpoint-errors.ts";
import type {
  CheckpointBatch,
  CheckpointFilter,
  LeaseRequest,
  Checkpoint,
  CheckpointPartition,
  LogRow,
  StoredOutcome,
} from "../ports/checkpoint-store.ts";
import type { SharedLease, SharedLeaseRequest, SharingCheckpointStore } from "../ports/shared-lease.ts";
import type { TraceKey } from "../ports/state-store.ts";

const ENTRIES_PER_PAGE = 1000;
/** Milliseconds after its expiry at which a shared lease is removed, which ends it. */
const LEFT_MS = 3_600_000;

interface Kept {
  readonly id: string;
  fencingToken: number;
  sequence: number;
  owner: string;
  /** The clock's `now()` at which its own lease expires. */
  leaseEndsAt: number;
  /** Id of the shared lease, which takes the place of its own. */
  under: string | undefined;
  readonly entries: Map<number, Checkpoint>;
  /** Rows of logs by run and position. */
  readonly logs: Map<number, Map<number, LogRow>>;
  readonly counts: Map<string, number>;
  /** Kept outcomes by run. */
  readonly outcomes: Map<number, StoredOutcome>;
  readonly consumed: Map<number, number>;
}

/** Stores the state of durable flows for the lifetime of the process: for tests and experiments. */
export class MemoryCheckpointStore implements SharingCheckpointStore {
  /** It ends with its process. */
  readonly isVolatile = true;
  readonly #clock: Clock;
  readonly #partitions = new Map<string, Kept>();
  /** Instants at which shared leases expire, by their ids: those that have not ended. */
  readonly #shared = new Map<string, number>();

  /**
   * Creates an empty checkpoint store.
   *
   * @param options - `clock` determines when a lease expires; @defaultValue the machine's clock
   */
  constructor(options: { readonly clock?: Clock | undefined } = {}) {
    requireKnownKeys("MemoryCheckpointStore", options, ["clock"]);
    if (options.clock !== undefined) requireMethods("clock", options.clock, ["now"]);
    this.#clock = options.clock ?? systemClock;
  }

  /**
   * Acquires a partition.
   *
   * @throws FlowError `PARTITION_LEASED` while another writer's lease is valid
   */
  async open({ partition, owner, leaseMs, under }: LeaseRequest): Promise<CheckpointPartition> {
    let kept = this.#partitions.get(partition);
    if (kept === undefined) {
      const tables = {
        entries: new Map(),
        logs: new Map(),
        counts: new Map(),
        outcomes: new Map(),
        consumed: new Map(),
      };
      kept = { id: newId(), fencingToken: 0, sequence: 0, owner, leaseEndsAt: 0, under: undefined, ...tables };
      this.#partitions.set(partition, kept);
    }
    const now = this.#clock.now();
    const endsInMs = this.#endOf(kept) - now;
    if (endsInMs > 0 && kept.fencingToken > 0) throw partitionLeased({ partition, owner: kept.owner, endsInMs });
    // with the fencing token: a renewal from now on would not know of this writer
    if (kept.under !== undefined) this.#shared.delete(kept.under);
    kept.fencingToken += 1;
    kept.owner = owner;
    kept.under = undefined;
    kept.leaseEndsAt = now + leaseMs;
    return new MemoryPartition(kept, { partition, owner, leaseMs, under }, this.#clock, this.#shared);
  }

  /** Creates a lease, under which partitions can be opened. */
  async share({ owner, leaseMs }: SharedLeaseRequest): Promise<SharedLease> {
    const shared = this.#shared;
    const now = this.#clock.now();
    for (const [id, endsAt] of shared) if (endsAt + LEFT_MS < now) shared.delete(id);
    const id = newId();
    shared.set(id, now + leaseMs);
    return {
      id,
      renew: async () => {
        if (!shared.has(id)) throw sharedLeaseEnded(owner, "another writer has taken one of them");
        shared.set(id, this.#clock.now() + leaseMs);
      },
      close: async () => void shared.delete(id),
    };
  }

  /** Returns the instant at which the lease of a partition expires. */
  #endOf({ under, leaseEndsAt }: Kept): number {
    return under === undefined ? leaseEndsAt : (this.#shared.get(under) ?? 0);
  }
}

class MemoryPartition implements CheckpointPartition {
  readonly id: string;
  readonly fencingToken: number;
  readonly #kept: Kept;
  readonly #request: LeaseRequest;
  readonly #clock: Clock;
  /** Instants at which shared leases expire, by their ids. */
  readonly #shared: ReadonlyMap<string, number>;
  #isClosed = false;

  constructor(kept: Kept, request: LeaseRequest, clock: Clock, shared: ReadonlyMap<string, number>) {
    this.id = kept.id;
    this.fencingToken = kept.fencingToken;
    this.#kept = kept;
    this.#request = request;
    this.#clock = clock;
    this.#shared = shared;
  }

  get sequence(): number {
    return this.#kept.sequence;
  }

  async *read(filter: CheckpointFilter = {}): AsyncGenerator<readonly Checkpoint[]> {
    const { entries } = this.#requireLease();
    const runs = filter.runs === undefined ? entries.keys() : new Set(filter.runs);
    const candidates = [...runs].flatMap((run) => entries.get(run) ?? []);
    const ids = filter.traceIds && new Set(filter.traceIds);
    const found = candidates.filter((entry) => fits(entry, filter) && ids?.has(entry.traceId) !== false);
    found.sort((a, b) => a.run - b.run);
    for (let start = 0; start < found.length; start += ENTRIES_PER_PAGE)
      yield found.slice(start, start + ENTRIES_PER_PAGE);
  }

  async countAtRest(): Promise<number> {
    let count = 0;
    for (const { dueAt } of this.#requireLease().entries.values()) if (dueAt !== undefined) count += 1;
    return count;
  }

  async nextDueAt(after: number): Promise<number | undefined> {
    let next = Number.POSITIVE_INFINITY;
    for (const { dueAt } of this.#requireLease().entries.values())
      if (dueAt !== undefined && dueAt > after && dueAt < next) next = dueAt;
    return Number.isFinite(next) ? next : undefined;
  }

  async counts(): Promise<ReadonlyMap<string, number>> {
    this.#requireLease();
    return new Map(this.#kept.counts);
  }

  async outcomes(keys: readonly TraceKey[]): Promise<readonly StoredOutcome[]> {
    const { outcomes } = this.#requireLease();
    const wanted = new Set(keys.map(keyOf));
    return [...outcomes.values()].filter((outcome) => wanted.has(keyOf(outcome)));
  }

  async expiring(limit: number): Promise<readonly Pick<StoredOutcome, "run" | "expiresAt">[]> {
    const { outcomes } = this.#requireLease();
    return [...outcomes.values()].sort((a, b) => a.expiresAt - b.expiresAt).slice(0, limit);
  }

  async readLog(run: number): Promise<readonly LogRow[]> {
    const rows = this.#requireLease().logs.get(run)?.values() ?? [];
    return [...rows].sort((a, b) => a.at - b.at);
  }

  async consumed(): Promise<ReadonlyMap<number, number>> {
    this.#requireLease();
    return new Map(this.#kept.consumed);
  }

  async append(
    { put, logs = [], remove, keep = [], forget = [], counts, consumed }: CheckpointBatch,
    expectedSequence: number,
  ): Promise<number> {
    const kept = this.#requireLease();
    if (expectedSequence !== kept.sequence) throw this.#fenced(`batch ${kept.sequence} is the last`);
    for (const entry of put) kept.entries.set(entry.run, entry);
    for (const row of logs) {
      const rows = kept.logs.get(row.run) ?? new Map<number, LogRow>();
      kept.logs.set(row.run, rows.set(row.at, row));
    }
    for (const run of remove) kept.entries.delete(run);
    for (const outcome of keep) kept.outcomes.set(outcome.run, outcome);
    for (const run of forget) kept.outcomes.delete(run);
    for (const run of [...remove, ...forget])
      if (!kept.entries.has(run) && !kept.outcomes.has(run)) kept.logs.delete(run);
    for (const [node, count] of counts) kept.counts.set(node, (kept.counts.get(node) ?? 0) + count);
    for (const [lane, sequence] of consumed ?? []) kept.consumed.set(lane, sequence);
    kept.sequence += 1;
    this.#prolong(kept);
    return kept.sequence;
  }

  async renew(): Promise<void> {
    const kept = this.#requireLease();
    const { under, owner } = this.#request;
    if (under !== undefined && !this.#shared.has(under)) throw sharedLeaseEnded(owner, "it is not there any more");
    this.#prolong(kept);
  }

  async close(): Promise<void> {
    if (!this.#isClosed && this.#kept.fencingToken === this.fencingToken) {
      this.#kept.leaseEndsAt = 0;
      this.#kept.under = undefined;
    }
    this.#isClosed = true;
  }

  #prolong(kept: Kept): void {
    const { under, leaseMs } = this.#request;
    if (under === undefined) kept.leaseEndsAt = this.#clock.now() + leaseMs;
    else kept.under = under;
  }

  #requireLease(): Kept {
    if (this.#isClosed) throw this.#fenced("it was closed");
    if (this.#kept.fencingToken !== this.fencingToken) throw this.#fenced(`"${this.#kept.owner}" has it now`);
    return this.#kept;
  }

  #fenced(why: string): FlowError {
    return partitionFenced(this.#request.partition, why);
  }
}

function fits(entry: Checkpoint, { isAtRest, tenant, dueBy }: CheckpointFilter): boolean {
  const { dueAt } = entry;
  if (isAtRest !== undefined && isAtRest !== (dueAt !== undefined)) return false;
  if (tenant !== undefined && tenant !== entry.tenant) return false;
  return dueBy === undefined || (dueAt !== undefined && dueAt <= dueBy);
}

function keyOf({ tenant, traceId }: TraceKey): string {
  return `${tenant.length}:${tenant}${traceId}`;
}
