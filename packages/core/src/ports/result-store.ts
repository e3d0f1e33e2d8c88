/** The trace that a result belongs to. */
export interface ResultKey {
  readonly partition: string;
  readonly tenant: string;
  readonly id: string;
}

/** A result of a trace. */
export interface StoredResult {
  readonly key: ResultKey;
  /** Whether the trace has ended. Other results say how far it has come. */
  readonly isFinal: boolean;
  readonly body: Uint8Array;
  /** Milliseconds for which it is kept. */
  readonly keepMs: number;
}

/** Names one storing of a result: what replaces it later has another revision. */
export interface ResultRevision {
  readonly key: ResultKey;
  /** Number that no other result of the key has or had. */
  readonly revision: number;
}

/** A result as it is kept. */
export interface KeptResult extends StoredResult, ResultRevision {}

/** Keeps results for the callers that ask for them. */
export interface ResultStore {
  /**
   * Stores results, each in place of the one of its key. Resolves with the revision of each; with `superseded` where a
   * final result is there, which is never replaced. One that is equal to it is stored, and kept for its `keepMs` from now
   * on.
   */
  put(results: readonly StoredResult[]): Promise<readonly (number | "superseded")[]>;
  /**
   * Returns the results of these keys, in their order. An `eventual` read may miss a recent one.
   */
  get(keys: readonly ResultKey[], read: "latest" | "eventual"): Promise<readonly (KeptResult | undefined)[]>;
  /**
   * Removes results, as long as they have these revisions: a request that comes late or twice does not remove what was
   * stored meanwhile. A key without a result, or with another revision, is no error.
   */
  forget(results: readonly ResultRevision[]): Promise<void>;
}
