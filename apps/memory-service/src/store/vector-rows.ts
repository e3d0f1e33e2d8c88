import { type Level, LEVELS } from "../fragment.ts";
import { bytes, number, oneOf, text } from "./columns.ts";
import { sightOf, type Viewer } from "./sight.ts";
import { among, type Sql, type SqlRow, type SqlValue } from "./sql.ts";

/** A stored vector: its scale, then one signed byte per dimension. */
export interface StoredVector {
  readonly seq: number;
  readonly vector: Uint8Array;
}

/** The vectors of one owner and level; those of level `tenant` belong together, of all owners. */
export interface BlockKey {
  readonly level: Level;
  /** Absent for level `tenant`. */
  readonly owner: string | undefined;
}

/** Vectors of a block that are read at once. They are to be copied: the next part takes their memory back. */
export interface BlockPart {
  readonly level: Level;
  readonly vectors: readonly StoredVector[];
}

/** Vectors of a part, at most: one value in the database holds the bytes of all. */
const AT_ONCE = 4_096;

/** Reads and writes the vectors of a tenant. */
export class VectorRows {
  readonly #sql: Sql;
  readonly #tenant: string;

  constructor(sql: Sql, tenant: string) {
    this.#sql = sql;
    this.#tenant = tenant;
  }

  /** Stores the vector of a fragment for a model, in place of an earlier one. */
  async put(seq: number, model: string, version: number, vector: Uint8Array): Promise<void> {
    await this.#sql.run(
      `insert into embedding (seq, model, version, vector) values (?, ?, ?, ?)
       on conflict (${this.#sql.keyPrefix}seq, model) do update set version = excluded.version, vector = excluded.vector`,
      [seq, model, version, vector],
    );
  }

  /** Yields the vectors of current fragments in blocks of different levels, part by part. */
  async *blocks(model: string, keys: readonly BlockKey[]): AsyncGenerator<BlockPart, void, undefined> {
    const within = keys.map(({ owner }) => (owner === undefined ? "f.level = ?" : "f.level = ? and f.user_id = ?"));
    const names = keys.flatMap(({ level, owner }) => (owner === undefined ? [level] : [level, owner]));
    let after = 0;
    let count = AT_ONCE;
    while (count === AT_ONCE) {
      // a value for each vector would be as many small pieces of memory, between those that stay
      const rows = await this.#sql.all(
        `select b.level, string_agg(cast(b.seq as text), ',') as seqs, ${this.#sql.joined("b.vector")} as vectors
         from (select e.seq, e.vector, f.level from embedding e join fragment f on f.seq = e.seq
           where e.model = ? and f.superseded_by is null and (${within.join(" or ")}) and e.seq > ?
           order by e.seq limit ${AT_ONCE}) b group by b.level`,
        [model, ...names, after],
      );
      count = 0;
      for (const row of rows) {
        const joined = bytes(row, "vectors");
        const vectors = vectorsOf(row, joined);
        yield { level: oneOf(row, "level", LEVELS), vectors };
        count += vectors.length;
        for (const { seq } of vectors) after = Math.max(after, seq);
        free(joined);
      }
    }
  }

  /** Returns the vectors of current fragments that were granted to the viewer. */
  async granted(model: string, viewer: Viewer, now: number): Promise<StoredVector[]> {
    const sight = sightOf(viewer, this.#tenant, now);
    const own = viewer.tenant === this.#tenant ? "and f.user_id <> ?" : "";
    // the grants come first: a tenant has few for a viewer, and many vectors
    const granted = "f.seq in (select seq from share_grant where grantee_tenant = ? and grantee_user = ?)";
    const values = [model, viewer.tenant, viewer.user, ...sight.values, ...(own === "" ? [] : [viewer.user])];
    return await this.#select(`${granted} and f.level = 'shared' and (${sight.text}) ${own}`, values);
  }

  /** Returns the vectors of fragments by sequence number. */
  async of(model: string, seqs: readonly number[]): Promise<StoredVector[]> {
    if (seqs.length === 0) return [];
    const wanted = among("f.seq", seqs);
    return await this.#select(wanted.text, [model, ...wanted.values]);
  }

  /** Counts the vectors of a model. */
  async count(model: string): Promise<number> {
    const rows = await this.#sql.all("select count(*) as total from embedding where model = ?", [model]);
    return rows[0] === undefined ? 0 : number(rows[0], "total");
  }

  /** Deletes the vectors of other models. */
  async removeOthers(model: string): Promise<void> {
    await this.#sql.run("delete from embedding where model <> ?", [model]);
  }

  async #select(where: string, values: readonly SqlValue[]): Promise<StoredVector[]> {
    const rows = await this.#sql.all(
      `select e.seq, e.vector from embedding e join fragment f on f.seq = e.seq
       where e.model = ? and f.superseded_by is null and ${where} order by e.seq`,
      values,
    );
    return rows.map((row: SqlRow) => ({ seq: number(row, "seq"), vector: bytes(row, "vector") }));
  }
}

/** Splits joined vectors. Those of one model have one length. */
function vectorsOf(row: SqlRow, joined: Uint8Array): StoredVector[] {
  const seqs = text(row, "seqs").split(",").map(Number);
  const length = joined.length / seqs.length;
  return seqs.map((seq, at) => ({ seq, vector: joined.subarray(at * length, (at + 1) * length) }));
}

/** Frees bytes now: they are many, and a collection of garbage may be far. */
function free({ buffer, byteLength }: Uint8Array): void {
  // a driver may have cut them from a buffer of others
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}
