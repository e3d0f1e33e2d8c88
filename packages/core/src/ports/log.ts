/** Identifies a log among those of a tenant. */
export interface LogKey {
  readonly tenant: string;
  /** Such as the id of a conversation. */
  readonly name: string;
}

/** The items of a log to be read. */
export interface LogRange {
  /** Position of the first item. @defaultValue the first item that is kept */
  readonly from?: number | undefined;
  /** Maximum number of items. @defaultValue 1000 */
  readonly limit?: number | undefined;
}

/** Items of a log, in order. */
export interface LogPage {
  /** Position of the first of `items`. */
  readonly at: number;
  readonly items: readonly unknown[];
  /** Position after the last item of the log: the `at` of the next append. */
  readonly length: number;
}

/**
 * Stores logs that outlast traces, such as conversations. An item is JSON data and keeps its position for ever; the log
 * of an unknown key is empty. Items that `undefined` properties are omitted from are equal to those without.
 *
 * A position or limit that is not a whole number in range is rejected with a `RangeError`, an item that is no JSON with
 * a `TypeError`. A log never returns another tenant's data.
 */
export interface Log {
  /**
   * Appends items, atomically, and resolves with the new length. When it rejects for another reason, such as a lost
   * connection, the items may be stored: read the log before you append again.
   *
   * @throws FlowError `LOG_CONFLICT` when `at` is not the length of the log: another writer was faster. Nothing is
   * stored then, and `details.length` is the length
   */
  append(key: LogKey, at: number, items: readonly unknown[]): Promise<number>;
  /** Returns a page of items, from `from` or the first item after it that is kept. */
  read(key: LogKey, range?: LogRange): Promise<LogPage>;
  /** Removes the items before a position. The length of the log and the positions of other items do not change. */
  trim(key: LogKey, before: number): Promise<void>;
}
