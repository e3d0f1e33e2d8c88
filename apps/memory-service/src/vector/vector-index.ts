import type { Rows } from "../store/rows.ts";
import type { Viewer } from "../store/sight.ts";
import type { BlockKey } from "../store/vector-rows.ts";
import { Best } from "./best.ts";
import { paddedDims, type QuantizedVector, similarity, unpackVector } from "./quantize.ts";
import { VectorBlock } from "./vector-block.ts";

/** A vector and the block to which it belongs. */
export interface PlacedVector {
  readonly key: BlockKey;
  readonly seq: number;
  readonly vector: Uint8Array;
}

/** A committed change of a tenant's vectors, or of who may see them. */
export interface VectorChange {
  readonly tenant: string;
  /** The tenant's count of such changes, this one included. */
  readonly mark: number;
  readonly model?: string | undefined;
  readonly added?: readonly PlacedVector[] | undefined;
  readonly removed?: readonly number[] | undefined;
  /** Whether fragments moved between blocks: the loaded ones are dropped then. */
  readonly moved?: boolean | undefined;
}

/** A search by a vector. */
export interface VectorQuery {
  readonly viewer: Viewer;
  readonly model: string;
  readonly vector: QuantizedVector;
  readonly limit: number;
  readonly now: number;
  /** The sequence numbers that may be found. @defaultValue all that the viewer may see */
  readonly allowed?: ReadonlySet<number> | undefined;
}

interface Loaded {
  readonly block: VectorBlock;
  readonly tenant: string;
  readonly model: string;
  readonly key: BlockKey;
  mark: number;
}

/**
 * The vectors in memory, a block for each owner and level. Blocks are loaded when a search needs them and are as the
 * store is: a block whose mark differs from the store's is loaded again.
 */
export class VectorIndex {
  readonly #maxBytes: number;
  /** The least recently used first. */
  readonly #blocks = new Map<string, Loaded>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes of the loaded blocks. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Returns the sequence numbers of the nearest vectors among those that the viewer may see, in a read of the store. */
  async search(rows: Rows, { viewer, model, vector, limit, now, allowed }: VectorQuery): Promise<number[]> {
    const best = new Best(limit);
    if (viewer.tenant === rows.tenant) {
      const mark = await rows.settings.vectorMark();
      for (const key of keysOf(viewer.user)) {
        const { block } = await this.#load(rows, model, key, mark, vector.values.length);
        block.scan(vector, best, allowed);
      }
    }
    // few as a rule, and different for each viewer: not worth a block
    for (const { seq, vector: packed } of await rows.vectors.granted(model, viewer, now)) {
      if (allowed?.has(seq) !== false) best.offer(seq, similarity(vector, unpackVector(packed)));
    }
    return best.ranked();
  }

  /** Follows a committed change. */
  apply({ tenant, mark, model, added = [], removed = [], moved = false }: VectorChange): void {
    for (const [name, loaded] of this.#blocks) {
      if (loaded.tenant !== tenant) continue;
      if (moved || loaded.mark !== mark - 1) {
        this.#drop(name, loaded);
        continue;
      }
      const before = loaded.block.bytes;
      for (const seq of removed) loaded.block.remove(seq);
      for (const { key, seq, vector } of added) {
        if (loaded.model === model && isSameKey(key, loaded.key)) loaded.block.put(seq, unpackVector(vector));
      }
      loaded.mark = mark;
      this.#bytes += loaded.block.bytes - before;
    }
    this.#shrink();
  }

  /** Drops all blocks of a tenant. */
  dropTenant(tenant: string): void {
    for (const [name, loaded] of this.#blocks) if (loaded.tenant === tenant) this.#drop(name, loaded);
  }

  async #load(rows: Rows, model: string, key: BlockKey, mark: number, dims: number): Promise<Loaded> {
    const name = [rows.tenant, model, key.level, key.owner ?? ""].join("\0");
    const known = this.#blocks.get(name);
    if (known?.mark === mark) {
      this.#blocks.delete(name);
      this.#blocks.set(name, known);
      return known;
    }
    if (known !== undefined) this.#drop(name, known);
    const block = new VectorBlock(paddedDims(dims));
    for (const { seq, vector } of await rows.vectors.block(model, key)) block.put(seq, unpackVector(vector));
    const loaded: Loaded = { block, tenant: rows.tenant, model, key, mark };
    const other = this.#blocks.get(name);
    // another search has loaded it meanwhile
    if (other !== undefined) this.#drop(name, other);
    this.#blocks.set(name, loaded);
    this.#bytes += block.bytes;
    this.#shrink();
    return loaded;
  }

  #shrink(): void {
    for (const [name, loaded] of this.#blocks) {
      if (this.#bytes <= this.#maxBytes) return;
      this.#drop(name, loaded);
    }
  }

  #drop(name: string, loaded: Loaded): void {
    this.#blocks.delete(name);
    this.#bytes -= loaded.block.bytes;
  }
}

function keysOf(user: string): readonly BlockKey[] {
  return [
    { level: "private", owner: user },
    { level: "shared", owner: user },
    { level: "tenant", owner: undefined },
  ];
}

function isSameKey(one: BlockKey, other: BlockKey): boolean {
  return one.level === other.level && one.owner === other.owner;
}
