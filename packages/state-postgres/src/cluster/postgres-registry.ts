import { randomUUID } from "node:crypto";
import { type Registry, type RegistryEntry, type Wire, watchByLooking } from "penguiflow/adapter";
import type { Database } from "../database.ts";

const SUBJECT = "registry";

/** Stores the values of a registry as rows. */
export class PostgresRegistry implements Registry {
  readonly #database: Database;
  readonly #tables: string;
  readonly #wire: Wire;

  constructor(database: Database, tables: string, wire: Wire) {
    this.#database = database;
    this.#tables = tables;
    this.#wire = wire;
  }

  async get(key: string): Promise<RegistryEntry | undefined> {
    const [row] = await this.#database.query(
      `select value, revision from ${this.#tables}.registry where key = $1 and ${LIVE}`,
      [key],
    );
    return row === undefined ? undefined : { value: row["value"] as string, revision: Number(row["revision"]) };
  }

  async put(
    key: string,
    value: string,
    { revision, ttlMs }: { readonly revision?: number | undefined; readonly ttlMs?: number | undefined } = {},
  ): Promise<number | "conflict"> {
    // the mark identifies this call, so that one whose answer was lost is not taken for another's
    const values = [key, value, randomUUID(), ttlMs ?? null, revision ?? null];
    const expiresAt = `case when $4::float8 is null then null else clock_timestamp() + $4::float8 * interval '1 millisecond' end`;
    const [row] = await this.#database.query(
      `with old as (select value from ${this.#tables}.registry where key = $1 and ${LIVE}), put as (
         insert into ${this.#tables}.registry as r (key, value, revision, mark, expires_at)
         select $1, $2, nextval('${this.#tables.replaceAll("'", "''")}.registry_revisions'), $3::uuid, ${expiresAt}
         where coalesce($5::bigint, 0) = 0 or exists (select from old)
         on conflict (key) do update set
           value = excluded.value, revision = excluded.revision, mark = excluded.mark, expires_at = excluded.expires_at
         where $5::bigint is null or r.mark = excluded.mark
           or $5::bigint = case when r.expires_at <= clock_timestamp() then 0 else r.revision end
         returning revision
       )
       select put.revision, (select value from old) is distinct from $2 as is_new from put`,
      values,
    );
    if (row === undefined) return "conflict";
    if (row["is_new"] === true) this.#tell(key);
    return Number(row["revision"]);
  }

  async delete(key: string): Promise<void> {
    await this.#database.query(`delete from ${this.#tables}.registry where key = $1`, [key]);
    this.#tell(key);
  }

  async watch(
    prefix: string,
    onChange: (key: string, value: string | undefined) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const look = async (): Promise<ReadonlyMap<string, RegistryEntry>> => {
      const rows = await this.#database.query(
        `select key, value, revision from ${this.#tables}.registry where starts_with(key, $1) and ${LIVE}`,
        [prefix],
      );
      return new Map(
        rows.map(({ key, value, revision }) => [key as string, { value: value as string, revision: Number(revision) }]),
      );
    };
    const subscribe = (changed: () => void): Disposable =>
      this.#wire.subscribe(SUBJECT, (key) => {
        if (new TextDecoder().decode(key).startsWith(prefix)) changed();
      });
    await watchByLooking({ look, subscribe }, onChange, signal);
  }

  #tell(key: string): void {
    this.#wire.publish(SUBJECT, new TextEncoder().encode(key));
  }
}

const LIVE = "(expires_at is null or expires_at > clock_timestamp())";
