import type { Catalog } from "../store/catalog.ts";
import { type QuantizedVector, quantize } from "../vector/quantize.ts";
import { type Embedder, embedChecked } from "./embedder.ts";

const CACHED_QUERIES = 1_000;
/** Weight of a model that was not measured. */
const UNKNOWN_WEIGHT = 0.25;

/** Vectors of a query: those of one model. */
export interface QueryVector {
  readonly model: string;
  readonly vector: QuantizedVector;
  readonly weight: number;
}

/**
 * The embedders of the service: one for new vectors, others whose vectors still answer while they are replaced. Query
 * vectors are cached by model and text alone, so that the cache knows nothing about fragments (law M5).
 */
export class EmbeddingModels {
  readonly current: Embedder | undefined;
  readonly #byName: ReadonlyMap<string, Embedder>;
  readonly #catalog: Catalog;
  readonly #queries = new Map<string, QuantizedVector>();
  readonly #weights = new Map<string, number>();

  /** @throws TypeError for two embedders of one name, or dims that are no whole number of 1 or more */
  constructor(current: Embedder | undefined, former: readonly Embedder[], catalog: Catalog) {
    const all = current === undefined ? [] : [current, ...former];
    if (current === undefined && former.length > 0)
      throw new TypeError("Former embedders need a current one: pass embedder");
    for (const { name, dims } of all) {
      if (typeof name !== "string" || name === "") throw new TypeError("An embedder must have a name");
      if (!Number.isSafeInteger(dims) || dims < 1)
        throw new TypeError(`The dims of embedder "${name}" must be a whole number of 1 or more: got ${dims}`);
    }
    this.#byName = new Map(all.map((embedder) => [embedder.name, embedder]));
    if (this.#byName.size < all.length) throw new TypeError("Two embedders have one name");
    this.current = current;
    this.#catalog = catalog;
  }

  /** Returns the embedder of a model, if the service has it. */
  get(model: string): Embedder | undefined {
    return this.#byName.get(model);
  }

  /** Returns the vector of a query. */
  async query(embedder: Embedder, text: string, signal: AbortSignal): Promise<QueryVector> {
    const key = `${embedder.name}\0${text}`;
    const weight = await this.#weight(embedder.name);
    const known = this.#queries.get(key);
    if (known !== undefined) {
      this.#queries.delete(key);
      this.#queries.set(key, known);
      return { model: embedder.name, vector: known, weight };
    }
    const [first = []] = await embedChecked(embedder, [text], signal, "query");
    const vector = quantize(first);
    this.#queries.set(key, vector);
    const [oldest] = this.#queries.keys();
    if (this.#queries.size > CACHED_QUERIES && oldest !== undefined) this.#queries.delete(oldest);
    return { model: embedder.name, vector, weight };
  }

  async #weight(model: string): Promise<number> {
    const known = this.#weights.get(model);
    if (known !== undefined) return known;
    const weight = (await this.#catalog.model(model))?.weight ?? UNKNOWN_WEIGHT;
    this.#weights.set(model, weight);
    return weight;
  }
}
