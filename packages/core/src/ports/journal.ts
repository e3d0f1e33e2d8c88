/** Who wants to write a partition, and for how long without a word from it. */
export interface JournalClaim {
  /** What the writer owns: one flow's traces, or a share of them. */
  readonly partition: string;
  /** The writer's name, told to others that are refused. */
  readonly owner: string;
  /** Milliseconds after the last {@link JournalPartition.renew} or append at which the claim ends. */
  readonly leaseMs: number;
}

/** What a journal has of one trace: all that is needed to go on with it. */
export interface JournalEntry {
  /** Tells traces apart: unique in its partition, larger for later ones. At most 2 ** 53 − 1. */
  readonly run: number;
  readonly tenant: string;
  readonly traceId: string;
  /** `failed` waits until somebody has it tried again; all others are gone on with. */
  readonly status: "open" | "failed";
  /** The form of `state`. */
  readonly version: number;
  /** JSON text, of any length. */
  readonly state: string;
}

/** What has changed since the batch before. Stored whole or not at all. */
export interface JournalBatch {
  /** Traces as they are now; each takes the place of what there was of its run. */
  readonly put: readonly JournalEntry[];
  /** Runs of which nothing is to be left, whatever `put` says. One that is not there is no error. */
  readonly remove: readonly number[];
  /** By node: how many messages more it is done with. */
  readonly counts: ReadonlyMap<string, number>;
}

/**
 * A partition in the hands of its one writer. A writer that was overtaken is refused with `JOURNAL_FENCED`, and so is
 * every call after {@link JournalPartition.close}.
 */
export interface JournalPartition {
  /** The same for as long as the partition exists, and of no other. */
  readonly id: string;
  /** How often the partition has been opened, from 1. */
  readonly epoch: number;
  /** The number of the batch stored last; 0 when there is none. */
  readonly sequence: number;
  /** All entries in pages, in the order of their runs. */
  read(): AsyncIterable<readonly JournalEntry[]>;
  /** By node: how many messages it is done with, since the partition was made. */
  counts(): Promise<ReadonlyMap<string, number>>;
  /**
   * Stores a batch and answers with its number, which is `expectedSequence + 1`. When it rejects, nothing of the batch
   * is stored, or nobody knows, as when an answer of a server was lost for good; all of it or nothing in any case. The
   * flow stops then, and reads what there is when it runs again.
   *
   * @throws FlowError `JOURNAL_FENCED` when another writer has the partition, or `expectedSequence` is not that of the
   * batch stored last
   */
  append(batch: JournalBatch, expectedSequence: number): Promise<number>;
  /** Keeps the claim for another `leaseMs`. @throws FlowError `JOURNAL_FENCED` */
  renew(): Promise<void>;
  /** Gives the partition up, so that others need not wait until the claim ends. Repeating it is safe. */
  close(): Promise<void>;
}

/**
 * Keeps what a durable flow must not lose. It holds the traces that are under way, each as it was at the latest batch;
 * of one that has ended nothing is left, so that a journal needs no compaction. An adapter for a technology that can
 * only append compacts by keeping the latest entry of each run.
 */
export interface Journal {
  /**
   * Takes a partition, which is made if there is none, and answers when its claim is stored.
   *
   * @throws FlowError `JOURNAL_OWNED` while the claim of another writer lasts; `details` names its owner
   */
  open(claim: JournalClaim): Promise<JournalPartition>;
}
