/**
 * Data of chunks, by kind. Programs and libraries add their kinds by declaration merging; a kind that is not declared
 * does not compile. The runtime does not check the data.
 *
 * @example
 * ```ts
 * declare module "penguiflow" {
 *   interface ChunkKinds {
 *     progress: { readonly done: number; readonly of: number };
 *   }
 * }
 * ```
 */
// oxlint-disable-next-line typescript/no-empty-object-type
export interface ChunkKinds {}

/** The `data` field of a kind; optional where its type includes `undefined`. */
export type DataField<Data> = undefined extends Data ? { readonly data?: Data } : { readonly data: Data };

/** The kind and data of a chunk: one of {@link ChunkKinds}. */
export type ChunkData = {
  [Kind in keyof ChunkKinds & string]: { readonly kind: Kind } & DataField<ChunkKinds[Kind]>;
}[keyof ChunkKinds & string];
