/** Tells the program about one of its worker processes. */
export type WorkerMessage =
  /** It has stored a batch with traces of a partition. */
  | { readonly kind: "progress"; readonly partition: string }
  /** Its memory after a garbage collection, as it was asked for. */
  | ({ readonly kind: "memory" } & WorkerMemory);

/** Memory of a worker process, in bytes. */
export interface WorkerMemory {
  readonly heap: number;
  readonly resident: number;
}

/** Asks a worker process for its memory. */
export const ASK_MEMORY = { kind: "memory" } as const;
