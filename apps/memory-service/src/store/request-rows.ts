import { maybeText, text } from "./columns.ts";
import type { Sql } from "./sql.ts";

/** A request that was answered, by the digest of its idempotency key. */
export interface AnsweredRequest {
  /** Digest of the request; absent once a fragment of it is erased. */
  readonly body: string | undefined;
  /** The answer as JSON: ids and figures, never text. */
  readonly answer: string;
}

/** Remembers answered requests, so that a repetition gets the first answer. */
export class RequestRows {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** Returns the request that was answered under a key. */
  async get(key: string): Promise<AnsweredRequest | undefined> {
    const rows = await this.#sql.all("select body_hash, answer from request where key_hash = ?", [key]);
    const row = rows[0];
    return row === undefined ? undefined : { body: maybeText(row, "body_hash"), answer: text(row, "answer") };
  }

  /** Remembers an answer. */
  async put(key: string, owner: string, body: string, answer: string, at: number): Promise<void> {
    await this.#sql.run("insert into request (key_hash, user_id, body_hash, answer, at) values (?, ?, ?, ?, ?)", [
      key,
      owner,
      body,
      answer,
      at,
    ]);
  }

  /** Forgets what the request under a key asked for; its answer stays, so that a repetition keeps nothing anew. */
  async forgetBody(key: string): Promise<void> {
    await this.#sql.run("update request set body_hash = null where key_hash = ?", [key]);
  }

  /** Forgets all requests of a user. */
  async forgetUser(owner: string): Promise<void> {
    await this.#sql.run("delete from request where user_id = ?", [owner]);
  }

  /** Forgets requests answered before an instant. */
  async forgetBefore(at: number): Promise<void> {
    await this.#sql.run("delete from request where at < ?", [at]);
  }
}
