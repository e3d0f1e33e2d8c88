/** Turns texts into vectors. Adapter: `openAiCompatible`, `transformers`, `hashEmbedder`, or one of your own. */
export interface Embedder {
  /** Identity of the model: vectors of different names are never compared. */
  readonly name: string;
  /** Length of its vectors. */
  readonly dims: number;
  /**
   * Returns a vector for each text, in order. Any length of the vectors will do: they are made unit length.
   *
   * @param kind - which side of a search the texts are on, for models that tell them apart
   */
  embed(texts: readonly string[], signal: AbortSignal, kind: "query" | "fragment"): Promise<readonly Vector[]>;
}

/** Numbers of a vector. */
export type Vector = readonly number[] | Float32Array;

/** A failure of an embedder, without its message, which may repeat the text (law M7). */
export class EmbeddingFailed extends Error {
  override readonly name = "EmbeddingFailed";
  /** Name of the error, with an HTTP status if it has one. */
  readonly kind: string;

  constructor(kind: string) {
    super(`The embedder failed: ${kind}`);
    this.kind = kind;
  }
}

/**
 * Embeds texts and checks the answer.
 *
 * @throws EmbeddingFailed, or the signal's reason
 */
export async function embedChecked(
  embedder: Embedder,
  texts: readonly string[],
  signal: AbortSignal,
  kind: "query" | "fragment",
): Promise<readonly Vector[]> {
  let vectors: readonly Vector[];
  try {
    vectors = await embedder.embed(texts, signal, kind);
  } catch (error) {
    signal.throwIfAborted();
    throw new EmbeddingFailed(kindOf(error));
  }
  if (vectors.length !== texts.length) throw new EmbeddingFailed(`${vectors.length} vectors for ${texts.length} texts`);
  for (const vector of vectors) {
    if (vector.length !== embedder.dims)
      throw new EmbeddingFailed(`a vector of ${vector.length} numbers, expected ${embedder.dims}`);
    if (!vector.every(Number.isFinite)) throw new EmbeddingFailed("a vector with a number that is not finite");
  }
  return vectors;
}

function kindOf(error: unknown): string {
  if (error instanceof EmbeddingFailed) return error.kind;
  if (!(error instanceof Error)) return "unknown";
  const status = "status" in error && typeof error.status === "number" ? ` ${error.status}` : "";
  return `${error.name}${status}`;
}
