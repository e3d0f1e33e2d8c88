import { type Level, LEVELS, type Role, ROLES } from "../fragment.ts";
import { maybeNumber, maybeText, number, oneOf, text } from "./columns.ts";
import { type FragmentFilter, filterOf, sightOf, type Viewer } from "./sight.ts";
import { allOf, among, type Clause, marksFor, type Sql, type SqlRow } from "./sql.ts";

/** A fragment to be kept. */
export interface NewFragmentRow {
  readonly id: string;
  readonly owner: string;
  readonly conversation: string | undefined;
  readonly position: number | undefined;
  readonly text: string;
  readonly role: Role;
  readonly source: string | undefined;
  /** Digest of the text. */
  readonly hash: string;
  readonly level: Level;
  readonly saidAt: number;
  readonly createdAt: number;
  /** Digest of the idempotency key of the request that brought it. */
  readonly requestKey: string | undefined;
}

/** A fragment as stored. */
export interface StoredFragment extends NewFragmentRow {
  readonly seq: number;
  /** Text of the neighbours of the same sight. */
  readonly context: string;
  /** Canonical form of the grants: fragments with the same owner, level and key have the same sight. */
  readonly grantKey: string;
  readonly supersededBy: string | undefined;
  readonly version: number;
  readonly strength: number;
  readonly reinforcedAt: number | undefined;
  readonly recalledAt: number | undefined;
}

/** A place in a list that is ordered by instant and id, both descending. */
export interface ListPlace {
  readonly createdAt: number;
  readonly id: string;
}

const SELECT = `select f.seq, f.id, f.user_id, f.conversation, f.position, f.text, f.context, f.role, f.source, f.hash,
  f.level, f.grant_key, f.said_at, f.created_at, f.request_key, f.version, f.strength, f.reinforced_at, f.recalled_at,
  (select s.id from fragment s where s.seq = f.superseded_by) as superseded_id from fragment f`;

const NEW_COLUMNS =
  "id, user_id, conversation, position, text, role, source, hash, level, said_at, created_at, request_key";
const INSERT = `insert into fragment (${NEW_COLUMNS}) values (${marksFor(NEW_COLUMNS.split(","))}) returning seq`;

/** Reads and writes the fragments of a tenant. Reads for a viewer name it `for…` and state sight in the query. */
export class FragmentRows {
  readonly #sql: Sql;
  readonly #tenant: string;

  constructor(sql: Sql, tenant: string) {
    this.#sql = sql;
    this.#tenant = tenant;
  }

  /** Returns a fragment of an owner; `undefined` also when it belongs to another user. */
  async ofOwner(owner: string, id: string): Promise<StoredFragment | undefined> {
    const rows = await this.#sql.all(`${SELECT} where f.id = ? and f.user_id = ?`, [id, owner]);
    return rows[0] === undefined ? undefined : fragmentOf(rows[0]);
  }

  /** Returns the fragments among `ids` that the viewer may see, in no order. */
  async forViewer(
    viewer: Viewer,
    ids: readonly string[],
    now: number,
    filter: FragmentFilter = {},
  ): Promise<StoredFragment[]> {
    if (ids.length === 0) return [];
    return await this.#select(allOf([among("f.id", ids), sightOf(viewer, this.#tenant, now), ...filterOf(filter)]), "");
  }

  /** Returns the newest fragments that the viewer may see, after `place` in the order of the list. */
  async listForViewer(
    viewer: Viewer,
    filter: FragmentFilter,
    place: ListPlace | undefined,
    limit: number,
    now: number,
  ): Promise<StoredFragment[]> {
    const clauses = [sightOf(viewer, this.#tenant, now), ...filterOf(filter)];
    if (place !== undefined)
      clauses.push({
        text: "f.created_at < ? or (f.created_at = ? and f.id < ?)",
        values: [place.createdAt, place.createdAt, place.id],
      });
    return await this.#select(allOf(clauses), `order by f.created_at desc, f.id desc limit ${limit}`);
  }

  /** Returns the sequence numbers of all current fragments that the viewer may see and that pass the filter. */
  async seqsForViewer(viewer: Viewer, filter: FragmentFilter, now: number): Promise<Set<number>> {
    const current: Clause = { text: "f.superseded_by is null", values: [] };
    const where = allOf([sightOf(viewer, this.#tenant, now), current, ...filterOf(filter)]);
    const rows = await this.#sql.all(`select f.seq from fragment f where ${where.text}`, where.values);
    return new Set(rows.map((row) => number(row, "seq")));
  }

  /** Returns the current fragments among `seqs` that the viewer may see, in no order. */
  async seqsSeen(viewer: Viewer, seqs: readonly number[], now: number): Promise<StoredFragment[]> {
    if (seqs.length === 0) return [];
    const current: Clause = { text: "f.superseded_by is null", values: [] };
    return await this.#select(allOf([among("f.seq", seqs), current, sightOf(viewer, this.#tenant, now)]), "");
  }

  /** Returns fragments by sequence number, for the worker. */
  async bySeq(seqs: readonly number[]): Promise<StoredFragment[]> {
    if (seqs.length === 0) return [];
    return await this.#select(among("f.seq", seqs), "");
  }

  /** Returns up to `limit` fragments of an owner, oldest first. */
  async ofUser(owner: string, limit: number): Promise<StoredFragment[]> {
    return await this.#select({ text: "f.user_id = ?", values: [owner] }, `order by f.seq limit ${limit}`);
  }

  /** Returns the ids of fragments with the same owner, level and text, newest first. */
  async sameText(owner: string, level: Level, hash: string, limit: number): Promise<string[]> {
    const rows = await this.#sql.all(
      "select id from fragment where user_id = ? and hash = ? and level = ? and grant_key = '' order by seq desc limit ?",
      [owner, hash, level, limit],
    );
    return rows.map((row) => text(row, "id"));
  }

  /** Returns the fragments directly before and after a place of a conversation, of any level. */
  async neighbours(owner: string, conversation: string, position: number): Promise<StoredFragment[]> {
    const within = "f.user_id = ? and f.conversation = ?";
    const values = [owner, conversation, position];
    const before = await this.#select(
      { text: `${within} and f.position < cast(? as double precision)`, values },
      "order by f.position desc limit 1",
    );
    const after = await this.#select(
      { text: `${within} and f.position > cast(? as double precision)`, values },
      "order by f.position limit 1",
    );
    return [...before, ...after];
  }

  /** Returns the last position of an owner's conversation; -1 when it is empty. */
  async lastPosition(owner: string, conversation: string): Promise<number> {
    const rows = await this.#sql.all(
      "select coalesce(max(position), -1) as last from fragment where user_id = ? and conversation = ?",
      [owner, conversation],
    );
    return rows[0] === undefined ? -1 : number(rows[0], "last");
  }

  /** Returns the ids of the fragments that one hides. */
  async hiddenBy(seq: number): Promise<string[]> {
    const rows = await this.#sql.all("select id from fragment where superseded_by = ? order by seq", [seq]);
    return rows.map((row) => text(row, "id"));
  }

  /** Counts the rows that were made of a fragment. */
  async attachedTo(seq: number): Promise<{ readonly vectors: number; readonly jobs: number; readonly events: number }> {
    const count = (table: string, column: string): string => `(select count(*) from ${table} where ${column} = ?)`;
    const [row = {}] = await this.#sql.all(
      `select ${count("embedding", "seq")} as vectors, ${count("embedding_job", "seq")} as jobs,
       ${count("memory_event", "fragment_seq")} as events`,
      [seq, seq, seq],
    );
    return { vectors: number(row, "vectors"), jobs: number(row, "jobs"), events: number(row, "events") };
  }

  /** Counts an owner's fragments, and those of them that have a vector of a model. */
  async withVectors(owner: string, model: string): Promise<{ readonly total: number; readonly ready: number }> {
    const [row = {}] = await this.#sql.all(
      `select count(*) as total, count(e.seq) as ready from fragment f
       left join embedding e on e.seq = f.seq and e.model = ? where f.user_id = ?`,
      [model, owner],
    );
    return { total: number(row, "total"), ready: number(row, "ready") };
  }

  /** Counts the fragments of the tenant. */
  async count(): Promise<number> {
    const rows = await this.#sql.all("select count(*) as total from fragment");
    return rows[0] === undefined ? 0 : number(rows[0], "total");
  }

  /** Keeps a fragment and returns its sequence number. */
  async insert(row: NewFragmentRow): Promise<number> {
    const values = [
      row.id,
      row.owner,
      row.conversation ?? null,
      row.position ?? null,
      row.text,
      row.role,
      row.source ?? null,
      row.hash,
      row.level,
      row.saidAt,
      row.createdAt,
      row.requestKey ?? null,
    ];
    const rows = await this.#sql.all(INSERT, values);
    return number(rows[0] ?? {}, "seq");
  }

  /** Sets the context by which a fragment is found beside its text. */
  async setContext(seq: number, context: string): Promise<void> {
    await this.#sql.run("update fragment set context = ? where seq = ? and context <> ?", [context, seq, context]);
  }

  /** Sets level and canonical grants, which together decide sight. */
  async setSight(seq: number, level: Level, grantKey: string): Promise<void> {
    await this.#sql.run("update fragment set level = ?, grant_key = ? where seq = ?", [level, grantKey, seq]);
  }

  /** Sets the strength, counted from `at`. */
  async setStrength(seq: number, strength: number, at: number): Promise<void> {
    await this.#sql.run("update fragment set strength = ?, reinforced_at = ? where seq = ?", [strength, at, seq]);
  }

  /** Notes the latest recall of fragments. */
  async setRecalled(seqs: readonly number[], at: number): Promise<void> {
    if (seqs.length === 0) return;
    const recalled = among("seq", seqs);
    await this.#sql.run(`update fragment set recalled_at = ? where ${recalled.text}`, [at, ...recalled.values]);
  }

  /** Hides a fragment behind a newer one, or shows it again. */
  async setSuperseded(seq: number, by: number | undefined): Promise<void> {
    await this.#sql.run("update fragment set superseded_by = ? where seq = ?", [by ?? null, seq]);
  }

  /** Deletes a fragment with its vectors, jobs and grants. */
  async delete(seq: number): Promise<void> {
    await this.#sql.run("delete from fragment where seq = ?", [seq]);
  }

  async #select(where: Clause, rest: string): Promise<StoredFragment[]> {
    const rows = await this.#sql.all(`${SELECT} where ${where.text} ${rest}`, where.values);
    return rows.map(fragmentOf);
  }
}

function fragmentOf(row: SqlRow): StoredFragment {
  return {
    seq: number(row, "seq"),
    id: text(row, "id"),
    owner: text(row, "user_id"),
    conversation: maybeText(row, "conversation"),
    position: maybeNumber(row, "position"),
    text: text(row, "text"),
    context: text(row, "context"),
    role: oneOf(row, "role", ROLES),
    source: maybeText(row, "source"),
    hash: text(row, "hash"),
    level: oneOf(row, "level", LEVELS),
    grantKey: text(row, "grant_key"),
    saidAt: number(row, "said_at"),
    createdAt: number(row, "created_at"),
    requestKey: maybeText(row, "request_key"),
    supersededBy: maybeText(row, "superseded_id"),
    version: number(row, "version"),
    strength: number(row, "strength"),
    reinforcedAt: maybeNumber(row, "reinforced_at"),
    recalledAt: maybeNumber(row, "recalled_at"),
  };
}
