import { text } from "./columns.ts";
import type { Sql } from "./sql.ts";

/** Names of a tenant's settings. */
export type SettingName = "salt" | "active_model" | "vector_mark";

/** Values that a tenant's store keeps once. */
export class SettingRows {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** Returns a setting. */
  async get(name: SettingName): Promise<string | undefined> {
    const rows = await this.#sql.all("select value from setting where name = ?", [name]);
    return rows[0] === undefined ? undefined : text(rows[0], "value");
  }

  /** Sets a setting. */
  async set(name: SettingName, value: string): Promise<void> {
    await this.#sql.run(
      `insert into setting (name, value) values (?, ?) on conflict (${this.#sql.keyPrefix}name)
       do update set value = excluded.value`,
      [name, value],
    );
  }

  /** Returns a setting, which is `value` if it was never set. */
  async getOrSet(name: SettingName, value: string): Promise<string> {
    const known = await this.get(name);
    if (known !== undefined) return known;
    await this.#sql.run("insert into setting (name, value) values (?, ?) on conflict do nothing", [name, value]);
    return (await this.get(name)) ?? value;
  }

  /** Counts a change of the vectors or of who may see them, and returns the count. */
  async bumpVectors(): Promise<number> {
    const next = (await this.vectorMark()) + 1;
    await this.set("vector_mark", String(next));
    return next;
  }

  /** Counts the changes of the vectors so far. */
  async vectorMark(): Promise<number> {
    return Number((await this.get("vector_mark")) ?? 0);
  }
}
