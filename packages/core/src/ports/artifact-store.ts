/** Content that is kept whole, such as a file or the result of a tool. */
export interface Artifact {
  /** Its media type, such as `text/plain`. */
  readonly mediaType: string;
  readonly data: Uint8Array;
}

/** Reference to a stored {@link Artifact}. */
export interface ArtifactRef {
  readonly id: string;
  readonly mediaType: string;
  /** Length in bytes. */
  readonly size: number;
}

/**
 * Stores content that is too long for a message or a prompt. It never returns another tenant's content, whatever id it is
 * asked for.
 */
export interface ArtifactStore {
  /** Stores content, and resolves with its reference. The same content of a tenant has the same id. */
  put(tenant: string, artifact: Artifact): Promise<ArtifactRef>;
  /** Returns content; `undefined` if the tenant has none of that id. */
  get(tenant: string, id: string): Promise<Artifact | undefined>;
  /** Removes content. An unknown id is no error. */
  remove(tenant: string, id: string): Promise<void>;
}
