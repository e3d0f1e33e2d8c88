import { DatabaseSync } from "node:sqlite";

/** A side effect that was performed. */
export interface Effect {
  readonly what: "charge" | "result";
  readonly id: number;
  /** Key under which the effect must be performed at most once. */
  readonly key: string;
  readonly value: unknown;
}

/**
 * The external world: a table in a file of its own, which accepts every effect, duplicates included. Added effects
 * survive the end of the process.
 */
export class Effects implements Disposable {
  readonly #database: DatabaseSync;

  constructor(file: string) {
    this.#database = new DatabaseSync(file, { timeout: 10_000 });
    this.#database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = OFF;
      CREATE TABLE IF NOT EXISTS effects (what TEXT, id INTEGER, key TEXT, value TEXT);
      CREATE INDEX IF NOT EXISTS effects_by_key ON effects (key);
    `);
  }

  add({ what, id, key, value }: Effect): void {
    this.#database.prepare("INSERT INTO effects VALUES (?, ?, ?, ?)").run(what, id, key, JSON.stringify(value));
  }

  has(key: string): boolean {
    return this.#database.prepare("SELECT 1 FROM effects WHERE key = ?").get(key) !== undefined;
  }

  *all(): Generator<Effect> {
    const rows = this.#database.prepare("SELECT what, id, key, value FROM effects ORDER BY rowid").iterate();
    for (const row of rows) yield { ...row, value: JSON.parse(row["value"] as string) as unknown } as Effect;
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}
