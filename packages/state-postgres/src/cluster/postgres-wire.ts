import type { Wire } from "penguiflow/adapter";
import type { Database } from "../database.ts";
import { textArray } from "../text-array.ts";
import type { Listener } from "./listener.ts";
import { channelOf, kept } from "./names.ts";

/** Characters of a notification: the server's limit is 8000 bytes. */
const MOST_TEXT = 7_900;
/** Notifications of one statement. */
const MOST = 1_000;
/** Time for which a body that is too long for a notification is kept, in seconds. */
const KEPT_SECONDS = 60;

/** Sends messages as notifications, those of one turn in one statement. Longer ones wait in a table. */
export class PostgresWire implements Wire {
  readonly #database: Database;
  readonly #tables: string;
  readonly #channelOf: (subject: string) => string;
  readonly #listener: Listener;
  #waiting: { readonly channel: string; readonly body: Uint8Array }[] = [];
  #sending: Promise<void> | undefined;

  constructor(database: Database, tables: string, schema: string, listener: Listener) {
    this.#database = database;
    this.#tables = tables;
    this.#channelOf = kept((subject) => channelOf(schema, subject));
    this.#listener = listener;
  }

  publish(subject: string, body: Uint8Array): void {
    this.#waiting.push({ channel: this.#channelOf(subject), body });
    this.#sending ??= this.#sendSoon();
  }

  subscribe(subject: string, receive: (body: Uint8Array) => void): Disposable {
    let last = Promise.resolve();
    let isOver = false;
    const listening = this.#listener.listen(this.#channelOf(subject), (payload) => {
      // in order: a body that has to be read holds up those behind it
      const before = last;
      last = (async () => {
        await before;
        const body = await this.#bodyOf(payload);
        if (body !== undefined && !isOver) receive(body);
      })();
    });
    return {
      [Symbol.dispose]() {
        isOver = true;
        listening[Symbol.dispose]();
      },
    };
  }

  /** Waits until everything published is sent. */
  async flush(): Promise<void> {
    while (this.#sending !== undefined) await this.#sending;
  }

  async #sendSoon(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    try {
      await this.#send();
    } catch {
      // a message may be lost
    } finally {
      this.#sending = undefined;
    }
  }

  async #send(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, MOST);
      const payloads: string[] = [];
      // one after the other: hardly any is too long
      for (const { body } of batch) {
        const text = Buffer.from(body.buffer, body.byteOffset, body.length).toString("base64");
        payloads.push(text.length <= MOST_TEXT ? text : await this.#leave(body));
      }
      await this.#database.query(
        "select pg_notify(channel, payload) from unnest($1::text[], $2::text[]) with ordinality as n (channel, payload, place) order by place",
        [textArray(batch.map(({ channel }) => channel)), textArray(payloads)],
      );
    }
  }

  /** Leaves a body in the table. Returns the payload that names it. */
  async #leave(body: Uint8Array): Promise<string> {
    const [row] = await this.#database.query(
      `with old as (delete from ${this.#tables}.wire_bodies where at < now() - interval '${KEPT_SECONDS} seconds')
       insert into ${this.#tables}.wire_bodies (body) values ($1) returning id`,
      [Buffer.from(body)],
    );
    return `#${String(row!["id"])}`;
  }

  async #bodyOf(payload: string): Promise<Uint8Array | undefined> {
    if (!payload.startsWith("#")) return new Uint8Array(Buffer.from(payload, "base64"));
    try {
      const [row] = await this.#database.query(`select body from ${this.#tables}.wire_bodies where id = $1`, [
        payload.slice(1),
      ]);
      return row === undefined ? undefined : new Uint8Array(row["body"] as Buffer);
    } catch {
      return undefined;
    }
  }
}
