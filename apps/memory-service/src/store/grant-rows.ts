import type { Grant } from "../fragment.ts";
import { maybeNumber, number, text } from "./columns.ts";
import type { Viewer } from "./sight.ts";
import type { Sql } from "./sql.ts";

/** Reads and writes the grants of a tenant's fragments. */
export class GrantRows {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** Returns the grants of a fragment, ended ones included, by grantee. */
  async of(seq: number): Promise<Grant[]> {
    const rows = await this.#sql.all(
      `select grantee_tenant, grantee_user, created_at, expires_at from share_grant where seq = ?
       order by grantee_tenant, grantee_user`,
      [seq],
    );
    return rows.map((row) => ({
      tenant: text(row, "grantee_tenant"),
      user: text(row, "grantee_user"),
      createdAt: number(row, "created_at"),
      expiresAt: maybeNumber(row, "expires_at"),
    }));
  }

  /** Adds a grant, or changes the end of one. */
  async put(seq: number, { tenant, user, createdAt, expiresAt }: Grant): Promise<void> {
    await this.#sql.run(
      `insert into share_grant (seq, grantee_tenant, grantee_user, created_at, expires_at) values (?, ?, ?, ?, ?)
       on conflict (${this.#sql.keyPrefix}seq, grantee_tenant, grantee_user)
       do update set expires_at = excluded.expires_at`,
      [seq, tenant, user, createdAt, expiresAt ?? null],
    );
  }

  /** Removes a grant; returns whether there was one. */
  async remove(seq: number, grantee: Viewer): Promise<boolean> {
    const changed = await this.#sql.run(
      "delete from share_grant where seq = ? and grantee_tenant = ? and grantee_user = ?",
      [seq, grantee.tenant, grantee.user],
    );
    return changed > 0;
  }

  /** Removes all grants of a fragment. */
  async clear(seq: number): Promise<void> {
    await this.#sql.run("delete from share_grant where seq = ?", [seq]);
  }

  /** Whether a grant of the tenant is in force for the grantee. */
  async anyFor({ tenant, user }: Viewer, now: number): Promise<boolean> {
    const rows = await this.#sql.all(
      `select 1 as one from share_grant where grantee_tenant = ? and grantee_user = ?
       and (expires_at is null or expires_at > ?) limit 1`,
      [tenant, user, now],
    );
    return rows.length > 0;
  }
}
