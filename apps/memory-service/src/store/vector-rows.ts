import type { Level } from "../fragment.ts";
import { bytes, number } from "./columns.ts";
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

  /** Returns the vectors of current fragments in a block. */
  async block(model: string, { level, owner }: BlockKey): Promise<StoredVector[]> {
    const mine = owner === undefined ? "" : "and f.user_id = ?";
    const values: SqlValue[] = owner === undefined ? [model, level] : [model, level, owner];
    return await this.#select(`f.level = ? ${mine}`, values);
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
