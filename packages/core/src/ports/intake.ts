/** An item for an intake. */
export interface Offer {
  readonly partition: string;
  /** Queue within the partition, from 0. Items of a lane are read in order. */
  readonly lane: number;
  /** Names the item. A further item with the key of one that has not been trimmed is refused as a duplicate. */
  readonly key: string;
  readonly body: Uint8Array;
}

/** An item of an intake, at its position. */
export interface Offered {
  readonly lane: number;
  /** Position in its lane. Later items have larger ones; gaps are allowed. From 1. */
  readonly sequence: number;
  readonly body: Uint8Array;
}

/** Limits of a read. */
export interface IntakeLimit {
  /** Maximum number of items, shared by the lanes. */
  readonly count: number;
  /** Length of bodies, in bytes, after which no further item is added. */
  readonly bytes: number;
  /** Milliseconds to wait for an item when there is none. */
  readonly waitMs: number;
  /** Ends the wait; the read resolves with nothing. */
  readonly signal: AbortSignal;
}

/**
 * Carries items to the owner of a partition. The owner reads by position, and stores how far it has come in its
 * checkpoints: the intake knows no acknowledgements and delivers nothing twice by itself.
 */
export interface Intake {
  /**
   * Stores items, in order. Resolves once they are stored, with what became of each: `duplicate` for one whose key is
   * there, `full` for one that there is no room for. When it rejects, the fate of all is unknown: offer them
   * again under the same keys.
   */
  offer(offers: readonly Offer[]): Promise<readonly ("stored" | "duplicate" | "full")[]>;
  /**
   * Returns items after the given positions, in order within each lane, with no lane starved. A lane without a position
   * is read from its beginning. Resolves with nothing after `waitMs`.
   */
  read(partition: string, after: ReadonlyMap<number, number>, limit: IntakeLimit): Promise<readonly Offered[]>;
  /** Removes the items up to these positions. Idempotent. */
  trim(partition: string, upTo: ReadonlyMap<number, number>): Promise<void>;
  /** Returns the number of items that have not been trimmed; a partition without any may be absent. */
  backlog(partitions: readonly string[]): Promise<ReadonlyMap<string, number>>;
}
