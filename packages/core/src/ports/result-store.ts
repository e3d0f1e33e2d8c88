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

/** Keeps results for the callers that ask for them. */
export interface ResultStore {
  /**
   * Stores results, each in place of the one of its key. Resolves with what became of each: `superseded` where a final
   * result is there, which is never replaced. One that is equal to it is `stored`, and kept for its `keepMs` from now on.
   */
  put(results: readonly StoredResult[]): Promise<readonly ("stored" | "superseded")[]>;
  /**
   * Returns the results of these keys, in their order. An `eventual` read may miss a recent one.
   */
  get(keys: readonly ResultKey[], read: "latest" | "eventual"): Promise<readonly (StoredResult | undefined)[]>;
  /** Removes results. Unknown keys are no error. */
  forget(keys: readonly ResultKey[]): Promise<void>;
}
