/** A value of the registry. */
export interface RegistryEntry {
  readonly value: string;
  /** Larger after each change. */
  readonly revision: number;
}

/** Keeps few small values that all members of a cluster see: members, versions, limits. */
export interface Registry {
  /** Returns the latest value. */
  get(key: string): Promise<RegistryEntry | undefined>;
  /**
   * Stores a value and resolves with its revision.
   *
   * @param options - `revision`: that of the value it replaces, 0 if there must be none; `conflict` is returned when it
   *   is another. `ttlMs`: milliseconds after which it is removed unless it is put again. @defaultValue neither
   */
  put(
    key: string,
    value: string,
    options?: { readonly revision?: number | undefined; readonly ttlMs?: number | undefined },
  ): Promise<number | "conflict">;
  /** Removes a value. Unknown keys are no error. */
  delete(key: string): Promise<void>;
  /**
   * Tells all values under a prefix and then each change, `undefined` for a removed one. Resolves once the present
   * values have been told; the watch goes on until `signal` aborts. After an interruption, values are told again.
   */
  watch(prefix: string, onChange: (key: string, value: string | undefined) => void, signal: AbortSignal): Promise<void>;
}
