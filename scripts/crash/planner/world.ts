import { DatabaseSync } from "node:sqlite";

/** Something that has happened outside of the planner. */
export interface Act {
  /**
   * `sent`: a run was about to be started. `begun`, `done`: a call of a tool that writes. `put`: a call of one that is
   * idempotent. `asked`: the model was called.
   */
  readonly what: "sent" | "begun" | "done" | "put" | "asked";
  /** Job. */
  readonly id: number;
  /** Path of the call; of a model call, that of its planner and its step. */
  readonly key: string;
  /** Idempotency key of the call, or what the model was asked. */
  readonly value: string;
}

/** The external world: a table in a file of its own, which accepts everything and outlives the process. */
export class World implements Disposable {
  readonly #database: DatabaseSync;

  constructor(file: string) {
    this.#database = new DatabaseSync(file, { timeout: 10_000 });
    this.#database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = OFF;
      CREATE TABLE IF NOT EXISTS acts (what TEXT, id INTEGER, key TEXT, value TEXT);
      CREATE INDEX IF NOT EXISTS acts_by_value ON acts (value) WHERE what = 'done';
    `);
  }

  add({ what, id, key, value }: Act): void {
    this.#database.prepare("INSERT INTO acts VALUES (?, ?, ?, ?)").run(what, id, key, value);
  }

  /** Whether a call that writes has been done under an idempotency key. */
  isDone(key: string): boolean {
    return this.#database.prepare("SELECT 1 FROM acts WHERE what = 'done' AND value = ?").get(key) !== undefined;
  }

  *all(): Generator<Act> {
    yield* this.#database.prepare("SELECT what, id, key, value FROM acts ORDER BY rowid").iterate() as Iterable<Act>;
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}
