import { Idle, type IdleOptions } from "../idle.ts";
import type { Rows } from "../store/rows.ts";
import type { Viewer } from "../store/sight.ts";
import type { BlockKey, StoredVector } from "../store/vector-rows.ts";
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
  /** Absent while there is no vector: memory is made for the first one. */
  block: VectorBlock | undefined;
  readonly dims: number;
  readonly tenant: string;
  readonly model: string;
  readonly key: BlockKey;
  mark: number;
}

/** Options of {@link VectorIndex}. */
export interface VectorIndexOptions extends Pick<IdleOptions, "clock" | "idleMs"> {
  /** Bytes of all blocks; the least recently used are dropped beyond. */
  readonly maxBytes: number;
}

/**
 * The vectors in memory, a block for each owner and level. Blocks are loaded when a search needs them, dropped when their
 * tenant is idle, and are as the store is: a block whose mark differs from the store's is loaded again.
 */
export class VectorIndex {
  readonly #maxBytes: number;
  /** The least recently used first. */
  readonly #blocks = new Map<string, Loaded>();
  readonly #idle: Idle;
  #bytes = 0;

  constructor({ maxBytes, clock, idleMs }: VectorIndexOptions) {
    this.#maxBytes = maxBytes;
    this.#idle = new Idle({ clock, idleMs, onIdle: (tenant) => this.dropTenant(tenant) });
  }

  /** Bytes of the loaded blocks. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Returns the sequence numbers of the nearest vectors among those that the viewer may see, in a read of the store. */
  async search(rows: Rows, { viewer, model, vector, limit, now, allowed }: VectorQuery): Promise<number[]> {
    const best = new Best(limit);
    if (viewer.tenant === rows.tenant) {
      this.#idle.touch(rows.tenant);
      for (const { block } of await this.#blocksOf(rows, viewer, model, vector.values.length))
        block?.scan(vector, best, allowed);
    }
    // few as a rule, and different for each viewer: not worth a block
    for (const { seq, vector: packed } of await rows.vectors.granted(model, viewer, now)) {
      if (allowed?.has(seq) !== false) best.offer(seq, similarity(vector, unpackVector(packed)));
    }
    return best.ranked();
  }

  /** Returns vectors of fragments by sequence number, those of the viewer's loaded blocks without asking the store. */
  async vectorsOf(
    rows: Rows,
    { viewer, model }: Pick<VectorQuery, "viewer" | "model">,
    seqs: readonly number[],
  ): Promise<ReadonlyMap<number, QuantizedVector>> {
    const found = new Map<number, QuantizedVector>();
    for (const key of keysOf(viewer.user)) {
      const block = this.#blocks.get(nameOf(rows.tenant, model, key))?.block;
      if (block === undefined) continue;
      for (const seq of seqs) {
        const vector = block.get(seq);
        if (vector !== undefined) found.set(seq, vector);
      }
    }
    const others = seqs.filter((seq) => !found.has(seq));
    for (const { seq, vector } of await rows.vectors.of(model, others)) found.set(seq, unpackVector(vector));
    return found;
  }

  /** Follows a committed change. */
  apply({ tenant, mark, model, added = [], removed = [], moved = false }: VectorChange): void {
    for (const [name, loaded] of this.#blocks) {
      if (loaded.tenant !== tenant) continue;
      if (moved || loaded.mark !== mark - 1) {
        this.#drop(name, loaded);
        continue;
      }
      const before = bytesOf(loaded);
      for (const seq of removed) loaded.block?.remove(seq);
      if (loaded.model === model)
        for (const { key, seq, vector } of added) if (isSameKey(key, loaded.key)) put(loaded, { seq, vector });
      loaded.mark = mark;
      this.#bytes += bytesOf(loaded) - before;
    }
    this.#shrink();
  }

  /** Drops all blocks of a tenant. */
  dropTenant(tenant: string): void {
    this.#idle.forget(tenant);
    for (const [name, loaded] of this.#blocks) if (loaded.tenant === tenant) this.#drop(name, loaded);
  }

  /** Drops all blocks. */
  close(): void {
    this.#idle.forgetAll();
    this.#blocks.clear();
    this.#bytes = 0;
  }

  /** Returns the blocks of a viewer as the store is, and reads those that are not. */
  async #blocksOf(rows: Rows, { user }: Viewer, model: string, dims: number): Promise<Loaded[]> {
    const { tenant } = rows;
    const mark = await rows.settings.vectorMark();
    const found: Loaded[] = [];
    const missing: Loaded[] = [];
    for (const key of keysOf(user)) {
      const name = nameOf(tenant, model, key);
      const known = this.#blocks.get(name);
      if (known?.mark === mark) {
        this.#blocks.delete(name);
        this.#blocks.set(name, known);
        found.push(known);
      } else missing.push({ block: undefined, dims: paddedDims(dims), tenant, model, key, mark });
    }
    if (missing.length === 0) return found;
    const keys = missing.map(({ key }) => key);
    for await (const { level, vectors } of rows.vectors.blocks(model, keys)) {
      const loaded = missing.find(({ key }) => key.level === level);
      if (loaded !== undefined) for (const stored of vectors) put(loaded, stored);
    }
    for (const loaded of missing) {
      const name = nameOf(tenant, model, loaded.key);
      // an older one, or one that another search has loaded meanwhile
      const other = this.#blocks.get(name);
      if (other !== undefined) this.#drop(name, other);
      this.#blocks.set(name, loaded);
      this.#bytes += bytesOf(loaded);
    }
    this.#shrink();
    return [...found, ...missing];
  }

  #shrink(): void {
    for (const [name, loaded] of this.#blocks) {
      if (this.#bytes <= this.#maxBytes) return;
      this.#drop(name, loaded);
    }
  }

  #drop(name: string, loaded: Loaded): void {
    this.#blocks.delete(name);
    this.#bytes -= bytesOf(loaded);
  }
}

function put(loaded: Loaded, { seq, vector }: StoredVector): void {
  loaded.block ??= new VectorBlock(loaded.dims);
  loaded.block.put(seq, unpackVector(vector));
}

function bytesOf({ block }: Loaded): number {
  return block?.bytes ?? 0;
}

function nameOf(tenant: string, model: string, { level, owner = "" }: BlockKey): string {
  return [tenant, model, level, owner].join("\0");
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
