import type { TraceKey } from "./state-store.ts";

/** The lease that a writer asks for. */
export interface LeaseRequest {
  /** The traces that the writer owns: those of one flow, or a share of them. */
  readonly partition: string;
  /** The writer's name, reported to rejected writers. */
  readonly owner: string;
  /** Milliseconds after the last {@link CheckpointPartition.renew} or append at which the lease expires. */
  readonly leaseMs: number;
  /**
   * Id of the writer's {@link SharedLease}: once the partition is renewed or appended to, its lease lasts as long as that
   * one, and neither prolongs it. Before, it lasts for `leaseMs`: an opening whose answer is lost must not keep others
   * out. @defaultValue none, the partition has a lease of its own
   */
  readonly under?: string | undefined;
}

/** The stored state of one trace: everything needed to resume it. */
export interface Checkpoint {
  /** Identifies the trace: unique in its partition, larger for later ones. At most 2 ** 53 − 1. */
  readonly run: number;
  readonly tenant: string;
  readonly traceId: string;
  /** Whether the trace is resumed (`open`), has failed and waits until it is retried, or has only its log left. */
  readonly status: "open" | "failed" | "ended";
  /** Version of the format of `state`. */
  readonly version: number;
  /** JSON text, of any length. */
  readonly state: string;
  /**
   * Present while the trace is at rest, so that it need not be in memory: the instant at which it continues by itself,
   * in epoch milliseconds. `Infinity` if only an answer continues it.
   */
  readonly dueAt?: number | undefined;
}

/** Selection of checkpoints: those that fit every given field. */
export interface CheckpointFilter {
  /** Whether the trace is at rest, with a {@link Checkpoint.dueAt}. */
  readonly isAtRest?: boolean | undefined;
  /** Any of these {@link Checkpoint.run}s. */
  readonly runs?: readonly number[] | undefined;
  /** The {@link Checkpoint.tenant}. */
  readonly tenant?: string | undefined;
  /** Any of these {@link Checkpoint.traceId}s. */
  readonly traceIds?: readonly string[] | undefined;
  /** Latest {@link Checkpoint.dueAt}; selects traces at rest only. */
  readonly dueBy?: number | undefined;
}

/**
 * Items that one call has appended to the log of a trace. They belong to its run, and go when neither a checkpoint nor a
 * kept outcome of the run is left.
 */
export interface LogRow {
  readonly run: number;
  /** Position of the first item, unique in its run. */
  readonly at: number;
  /** JSON text of the items, of any length. */
  readonly items: string;
}

/** The outcome of a trace that has ended, kept for its id. */
export interface StoredOutcome extends TraceKey {
  /** The trace's run, which distinguishes outcomes of one id. */
  readonly run: number;
  /** Version of the format of `state`. */
  readonly version: number;
  /** JSON text, of any length. */
  readonly state: string;
  /** Epoch milliseconds after which it is to be removed. */
  readonly expiresAt: number;
}

/** The changes since the previous batch. Stored atomically. */
export interface CheckpointBatch {
  /** Current state of traces; each replaces the previous state of its run. */
  readonly put: readonly Checkpoint[];
  /** New rows of logs; each replaces a row of the same run and position. @defaultValue none */
  readonly logs?: readonly LogRow[] | undefined;
  /**
   * Runs to delete even if `put` and `logs` contain them, with their rows unless an outcome of the run is kept. An
   * unknown run is no error.
   */
  readonly remove: readonly number[];
  /** Outcomes to keep; each replaces the previous one of its run. @defaultValue none */
  readonly keep?: readonly StoredOutcome[];
  /**
   * Runs of outcomes to remove even if `keep` contains them, with their rows unless a checkpoint of the run is left. An
   * unknown run is no error. @defaultValue none
   */
  readonly forget?: readonly number[];
  /** Number of messages completed since the previous batch, by node. */
  readonly counts: ReadonlyMap<string, number>;
  /**
   * Positions of an intake up to which its items were taken, by lane; each replaces the previous one of its lane. Absent
   * when none has changed.
   */
  readonly consumed?: ReadonlyMap<number, number>;
}

/** Room that a partition takes in its store. */
export interface PartitionSize {
  /** Bytes, with what was replaced or removed and still takes room. */
  readonly storedBytes: number;
  /** Bytes of what is live. */
  readonly liveBytes: number;
}

/**
 * A partition held by its one writer. A writer that has been superseded is rejected with `PARTITION_FENCED`, and so is
 * every call after {@link CheckpointPartition.close}.
 */
export interface CheckpointPartition {
  /** Id that is constant for the lifetime of the partition and unique to it. */
  readonly id: string;
  /** Number of times the partition has been opened, from 1. */
  readonly fencingToken: number;
  /** Number of the last stored batch; 0 if there is none. */
  readonly sequence: number;
  /** Room that the partition takes in the store. Absent where its writer does not know it. */
  readonly size?: PartitionSize | undefined;
  /**
   * Yields the entries that fit the filter, in pages, ordered by run: all of them without a filter. Entries at rest may
   * be many more than fit into memory. A flow looks them up by run and by trace id, up to 1000 at once, by tenant or by
   * `dueBy`.
   *
   * A page may be empty: it says that the next one takes long and is being worked on. A flow waits at most four
   * times `leaseMs` for each, and once `leaseMs` when the lease is not renewed meanwhile.
   */
  read(filter?: CheckpointFilter): AsyncIterable<readonly Checkpoint[]>;
  /** Returns the number of entries at rest. */
  countAtRest(): Promise<number>;
  /** Returns the earliest finite {@link Checkpoint.dueAt} later than `after`; `undefined` if there is none. */
  nextDueAt(after: number): Promise<number | undefined>;
  /** Returns the rows of a run's log, ordered by position. */
  readLog(run: number): Promise<readonly LogRow[]>;
  /** Returns the number of messages completed since the partition was created, by node. */
  counts(): Promise<ReadonlyMap<string, number>>;
  /** Returns the kept outcomes of these ids, in any order. */
  outcomes(keys: readonly TraceKey[]): Promise<readonly StoredOutcome[]>;
  /** Returns the kept outcomes that expire first, at most `limit` of them, in order of their expiry. */
  expiring(limit: number): Promise<readonly Pick<StoredOutcome, "run" | "expiresAt">[]>;
  /** Returns the last stored position of each lane. */
  consumed(): Promise<ReadonlyMap<number, number>>;
  /**
   * Stores a batch and resolves with its number, `expectedSequence + 1`. When it rejects, the batch is either not
   * stored, or its fate is unknown, such as when a server's response is lost. It is never stored in part. The flow then
   * stops, and reads the stored state when it runs again. So it does when it is not answered for `leaseMs`: a batch that
   * is stored after that must still be refused if another opening of the partition preceded it.
   *
   * @throws FlowError `PARTITION_FENCED` when another writer holds the partition, or `expectedSequence` is not that of
   *   the last stored batch
   */
  append(batch: CheckpointBatch, expectedSequence: number): Promise<number>;
  /**
   * Renews the lease for another `leaseMs`, or puts the partition under its shared lease.
   *
   * @throws FlowError `PARTITION_FENCED`, also when the shared lease has ended
   */
  renew(): Promise<void>;
  /** Releases the partition, so that others need not wait until the lease expires. Idempotent; may be tried again. */
  close(): Promise<void>;
}

/**
 * Stores the data that a durable flow must not lose: its in-flight traces, each in its latest state. Nothing remains of
 * a trace that has ended, so a checkpoint store needs no compaction. An adapter for an append-only technology compacts
 * by keeping the latest entry of each run.
 */
export interface CheckpointStore {
  /** Whether what it stores ends with its process. @defaultValue false */
  readonly isVolatile?: boolean | undefined;
  /**
   * Acquires a partition, creating it if needed, and resolves once the lease is stored: its writer renews it from then on.
   * What takes longer, such as loading what is stored, is part of the first {@link CheckpointPartition.read}.
   *
   * @throws FlowError `PARTITION_LEASED` while another writer's lease is valid; `details` names its owner
   */
  open(lease: LeaseRequest): Promise<CheckpointPartition>;
}
