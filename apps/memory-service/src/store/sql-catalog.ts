import { type Scope, SCOPES } from "../principal.ts";
import type { ApiKey, Catalog, ModelCard } from "./catalog.ts";
import { maybeNumber, maybeText, number, oneOf, text } from "./columns.ts";
import type { Viewer } from "./sight.ts";
import type { Sql, SqlRow } from "./sql.ts";

/** Tables across tenants. */
export const CATALOG_SCHEMA = `
create table if not exists tenant (id text primary key, state text not null check (state in ('active', 'erased')));
create table if not exists api_key (hash text primary key, tenant text not null, user_id text, scopes text not null,
  expires_at bigint);
create table if not exists model (name text primary key, dims integer not null, weight double precision not null);
create table if not exists inbound_share (grantee_tenant text not null, grantee_user text not null,
  owner_tenant text not null, primary key (grantee_tenant, grantee_user, owner_tenant));
`;

/** Runs work in one transaction. */
type Transact = <Value>(work: (sql: Sql) => Promise<Value>) => Promise<Value>;

/** The catalog in an SQL database. */
export class SqlCatalog implements Catalog {
  readonly #read: Transact;
  readonly #write: Transact;

  /** @param read - runs work that writes nothing, and takes no lock of a writer */
  constructor({ read, write }: { readonly read: Transact; readonly write: Transact }) {
    this.#read = read;
    this.#write = write;
  }

  /** Notes a tenant; returns `erased` for a name that was erased. */
  async addTenant(tenant: string): Promise<"active" | "erased"> {
    // a tenant is noted once, and opened often
    const known = await this.#stateOf(tenant);
    if (known !== undefined) return known;
    await this.#run("insert into tenant (id, state) values (?, 'active') on conflict do nothing", [tenant]);
    return (await this.#stateOf(tenant)) ?? "active";
  }

  /** Marks a tenant as erased and removes its keys and hints. */
  async eraseTenant(tenant: string): Promise<void> {
    await this.#write(async (sql) => {
      await sql.run("insert into tenant (id, state) values (?, 'active') on conflict do nothing", [tenant]);
      await sql.run("update tenant set state = 'erased' where id = ?", [tenant]);
      await sql.run("delete from api_key where tenant = ?", [tenant]);
      await sql.run("delete from inbound_share where owner_tenant = ? or grantee_tenant = ?", [tenant, tenant]);
    });
  }

  /** Returns the names of active tenants, in order. */
  async tenants(): Promise<readonly string[]> {
    const rows = await this.#all("select id from tenant where state = 'active' order by id");
    return rows.map((row) => text(row, "id"));
  }

  /** Keeps a key under the digest of its secret. */
  async putKey(digest: string, { tenant, user, scopes, expiresAt }: ApiKey): Promise<void> {
    await this.#run("insert into api_key (hash, tenant, user_id, scopes, expires_at) values (?, ?, ?, ?, ?)", [
      digest,
      tenant,
      user ?? null,
      scopes.join(" "),
      expiresAt ?? null,
    ]);
  }

  /** Returns the key with the digest, unless it has expired. */
  async key(digest: string, now: number): Promise<ApiKey | undefined> {
    const rows = await this.#all(
      "select tenant, user_id, scopes, expires_at from api_key where hash = ? and (expires_at is null or expires_at > ?)",
      [digest, now],
    );
    const row = rows[0];
    if (row === undefined) return undefined;
    const scopes = text(row, "scopes").split(" ").filter(isScope);
    return {
      tenant: text(row, "tenant"),
      user: maybeText(row, "user_id"),
      scopes,
      expiresAt: maybeNumber(row, "expires_at"),
    };
  }

  /** Removes a key; returns whether there was one. */
  async removeKey(digest: string): Promise<boolean> {
    return (await this.#run("delete from api_key where hash = ?", [digest])) > 0;
  }

  /** Keeps the card of a model. */
  async putModel({ name, dims, weight }: ModelCard): Promise<void> {
    await this.#run(
      `insert into model (name, dims, weight) values (?, ?, ?)
       on conflict (name) do update set dims = excluded.dims, weight = excluded.weight`,
      [name, dims, weight],
    );
  }

  /** Returns the card of a model. */
  async model(name: string): Promise<ModelCard | undefined> {
    const rows = await this.#all("select name, dims, weight from model where name = ?", [name]);
    const row = rows[0];
    return row === undefined
      ? undefined
      : { name: text(row, "name"), dims: number(row, "dims"), weight: number(row, "weight") };
  }

  /** Notes that an owner's tenant may have a grant for the grantee. */
  async noteShare(owner: string, { tenant, user }: Viewer): Promise<void> {
    await this.#run(
      "insert into inbound_share (grantee_tenant, grantee_user, owner_tenant) values (?, ?, ?) on conflict do nothing",
      [tenant, user, owner],
    );
  }

  /** Removes the hint. */
  async dropShare(owner: string, { tenant, user }: Viewer): Promise<void> {
    await this.#run("delete from inbound_share where grantee_tenant = ? and grantee_user = ? and owner_tenant = ?", [
      tenant,
      user,
      owner,
    ]);
  }

  /** Returns tenants that may have grants for the grantee, in order. */
  async sharesFor({ tenant, user }: Viewer, limit: number): Promise<readonly string[]> {
    const rows = await this.#all(
      `select owner_tenant from inbound_share where grantee_tenant = ? and grantee_user = ?
       order by owner_tenant limit ${limit}`,
      [tenant, user],
    );
    return rows.map((row) => text(row, "owner_tenant"));
  }

  async #stateOf(tenant: string): Promise<"active" | "erased" | undefined> {
    const [row] = await this.#all("select state from tenant where id = ?", [tenant]);
    return row === undefined ? undefined : oneOf(row, "state", ["active", "erased"]);
  }

  async #all(statement: string, values: Parameters<Sql["all"]>[1] = []): Promise<readonly SqlRow[]> {
    return await this.#read(async (sql) => await sql.all(statement, values));
  }

  async #run(statement: string, values: Parameters<Sql["run"]>[1]): Promise<number> {
    return await this.#write(async (sql) => await sql.run(statement, values));
  }
}

function isScope(word: string): word is Scope {
  return SCOPES.some((scope) => scope === word);
}
