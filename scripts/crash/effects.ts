import { DatabaseSync } from "node:sqlite";

/** Something that has happened outside of the flow or planner under test. */
export interface Effect<What extends string> {
  readonly what: What;
  /** Job. */
  readonly id: number;
  /** Key of the effect, under which it must happen at most once. */
  readonly key: string;
  readonly value: unknown;
}

/**
 * The external world: a table in a file of its own, which accepts every effect, duplicates included. Added effects
 * survive the end of the process.
 */
export class Effects<What extends string> implements Disposable {
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

  add({ what, id, key, value }: Effect<What>): void {
    this.#database.prepare("INSERT INTO effects VALUES (?, ?, ?, ?)").run(what, id, key, JSON.stringify(value));
  }

  /** Whether an effect has happened under a key. */
  has(what: What, key: string): boolean {
    return this.#database.prepare("SELECT 1 FROM effects WHERE what = ? AND key = ?").get(what, key) !== undefined;
  }

  *all(): Generator<Effect<What>> {
    const rows = this.#database.prepare("SELECT what, id, key, value FROM effects ORDER BY rowid").iterate();
    for (const row of rows) yield { ...row, value: JSON.parse(row["value"] as string) as unknown } as Effect<What>;
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}
