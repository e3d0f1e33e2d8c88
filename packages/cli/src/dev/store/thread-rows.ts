import type { DatabaseSync } from "node:sqlite";
import type { Attachment } from "@penguiflow/playground/protocol";

/** Rows of a page at most. */
const MAX_PAGE = 100;
/** Threads that are kept at most, and for how long. */
const RETENTION = { threads: 500, ageMs: 7 * 86_400_000 };

/** A thread in the database. */
export interface StoredThread {
  readonly id: string;
  readonly flow: string;
  readonly title: string;
  readonly at: number;
  readonly turnCount: number;
}

/** A message of a thread, and the run that answers it. */
export interface StoredTurn {
  readonly turn: number;
  readonly run: string;
  readonly at: number;
  readonly text: string;
  readonly attachments: readonly Pick<Attachment, "name" | "mediaType">[];
}

const SELECT = `SELECT id, flow, title, at, (SELECT count(*) FROM turns WHERE thread = threads.id) AS turnCount FROM threads`;

/** The threads and half-written forms in the database. */
export class ThreadRows {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#prune();
  }

  insert(id: string, flow: string, title: string): void {
    this.#database
      .prepare("INSERT INTO threads (id, flow, title, at) VALUES (?, ?, ?, ?)")
      .run(id, flow, title, Date.now());
  }

  find(id: string): StoredThread | undefined {
    return this.#database.prepare(`${SELECT} WHERE id = ?`).get(id) as unknown as StoredThread | undefined;
  }

  /** Lists threads, those with the newest turns first. */
  list(filter: {
    readonly flow?: string | undefined;
    readonly q?: string | undefined;
    readonly cursor?: string | undefined;
  }) {
    const { flow = null, q, cursor } = filter;
    const like = q === undefined || q === "" ? null : `%${q.replace(/[\\%_]/g, "\\$&")}%`;
    const [at, id] = cursor === undefined ? [] : (cursor.split(/\.(.*)/s) as [string, string]);
    const rows = this.#database
      .prepare(
        `${SELECT} WHERE (? IS NULL OR flow = ?) AND (? IS NULL OR title LIKE ? ESCAPE '\\') AND (? IS NULL OR (at, id) < (?, ?))
         ORDER BY at DESC, id DESC LIMIT ?`,
      )
      .all(flow, flow, like, like, at ?? null, Number(at ?? 0), id ?? "", MAX_PAGE + 1) as unknown as StoredThread[];
    const threads = rows.slice(0, MAX_PAGE);
    const last = threads.at(-1);
    return { threads, next: rows.length > MAX_PAGE && last !== undefined ? `${last.at}.${last.id}` : undefined };
  }

  turns(thread: string): StoredTurn[] {
    const rows = this.#database
      .prepare("SELECT turn, run, at, text, attachments FROM turns WHERE thread = ? ORDER BY turn")
      .all(thread);
    return rows.map((row) => {
      const { attachments, ...turn } = row as unknown as StoredTurn & { readonly attachments: string };
      return { ...turn, attachments: JSON.parse(attachments) as StoredTurn["attachments"] };
    });
  }

  /** Adds a turn behind the last, and returns its number. The first gives the thread its title. */
  addTurn(thread: string, { run, text, attachments, at }: Omit<StoredTurn, "turn">): number {
    const { turn } = this.#database
      .prepare("SELECT coalesce(max(turn) + 1, 0) AS turn FROM turns WHERE thread = ?")
      .get(thread) as { readonly turn: number };
    this.#database
      .prepare("INSERT INTO turns (thread, turn, run, at, text, attachments) VALUES (?, ?, ?, ?, ?, ?)")
      .run(thread, turn, run, at, text, JSON.stringify(attachments));
    this.#database
      .prepare("UPDATE threads SET at = ?, title = CASE title WHEN '' THEN ? ELSE title END WHERE id = ?")
      .run(at, text.split("\n")[0]!.slice(0, 80), thread);
    return turn;
  }

  /** Memory that a planner has of a thread, as its process told last. */
  memory(thread: string): readonly unknown[] {
    const row = this.#database.prepare("SELECT memory FROM threads WHERE id = ?").get(thread);
    const { memory } = (row ?? {}) as { readonly memory?: string | null };
    return typeof memory === "string" ? (JSON.parse(memory) as readonly unknown[]) : [];
  }

  setMemory(thread: string, items: readonly unknown[]): void {
    this.#database.prepare("UPDATE threads SET memory = ? WHERE id = ?").run(JSON.stringify(items), thread);
  }

  /** Removes a turn whose run was refused. */
  removeTurn(thread: string, turn: number): void {
    this.#database.prepare("DELETE FROM turns WHERE thread = ? AND turn = ?").run(thread, turn);
  }

  delete(id: string): void {
    this.#database.prepare("DELETE FROM threads WHERE id = ?").run(id);
  }

  draft(key: string): unknown {
    const row = this.#database.prepare("SELECT value FROM drafts WHERE key = ?").get(key) as
      | { readonly value: string }
      | undefined;
    return row === undefined ? null : JSON.parse(row.value);
  }

  /** Keeps a half-written form; `null` removes it. */
  setDraft(key: string, value: unknown): void {
    if (value === null) this.#database.prepare("DELETE FROM drafts WHERE key = ?").run(key);
    else
      this.#database
        .prepare(
          "INSERT INTO drafts (key, value, at) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value, at = excluded.at",
        )
        .run(key, JSON.stringify(value), Date.now());
  }

  #prune(): void {
    const oldest = Date.now() - RETENTION.ageMs;
    this.#database
      .prepare("DELETE FROM threads WHERE at < ? OR id NOT IN (SELECT id FROM threads ORDER BY at DESC LIMIT ?)")
      .run(oldest, RETENTION.threads);
    this.#database.prepare("DELETE FROM drafts WHERE at < ?").run(oldest);
  }
}
