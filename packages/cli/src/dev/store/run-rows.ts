import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import type { RunSummary } from "@penguiflow/playground/protocol";
import type { Fact } from "../ipc/fact.ts";
import type { RunPlace } from "../runs/run-builder.ts";

/** Characters of a run's texts that are searched. */
const SEARCHED = 4_000;
/** Rows of a page at most. */
const MAX_PAGE = 200;

/** Selection of runs. */
export interface RunFilter {
  readonly flow?: string | undefined;
  readonly state?: string | undefined;
  readonly node?: string | undefined;
  readonly code?: string | undefined;
  readonly tenant?: string | undefined;
  readonly thread?: string | undefined;
  readonly q?: string | undefined;
  /** Epoch milliseconds of the start. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  readonly limit?: number | undefined;
  /** Position of a page: start and key of the last run before it. */
  readonly cursor?: string | undefined;
}

/** A run in the store. */
export interface StoredRun {
  readonly key: number;
  readonly place: RunPlace;
  readonly isDurable: boolean;
  readonly isOver: boolean;
  readonly isLossy: boolean;
  readonly summary: RunSummary;
}

interface Row {
  readonly key: number;
  readonly flow: string;
  readonly id: string;
  readonly tenant: string;
  readonly started_at: number;
  readonly is_durable: number;
  readonly is_over: number;
  readonly is_lossy: number;
  readonly summary: string;
}

/** The runs and their facts in the database. */
export class RunRows {
  readonly #database: DatabaseSync;
  readonly #append;
  readonly #grow;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#append = database.prepare("INSERT INTO facts (run, position, items) VALUES (?, ?, ?)");
    this.#grow = database.prepare("UPDATE runs SET bytes = bytes + ? WHERE key = ?");
  }

  insert({ flow, runId, tenant }: RunPlace, summary: RunSummary, isDurable: boolean): number {
    const { lastInsertRowid } = this.#database
      .prepare(
        `INSERT INTO runs (flow, id, tenant, state, started_at, thread, is_durable, is_over, is_lossy, bytes, summary, search)
         VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, 0, ?, ?)`,
      )
      .run(
        flow,
        runId,
        tenant,
        summary.state,
        summary.startedAt,
        summary.thread ?? null,
        Number(isDurable),
        JSON.stringify(summary),
        searchOf(summary),
      );
    return Number(lastInsertRowid);
  }

  /** Adds facts from a position on. */
  append(key: number, position: number, facts: readonly Fact[]): void {
    const items = JSON.stringify(facts);
    this.#append.run(key, position, items);
    this.#grow.run(items.length, key);
  }

  update(key: number, summary: RunSummary, isOver: boolean, isLossy: boolean): void {
    const { state, error, startedAt, thread } = summary;
    this.#database
      .prepare(
        `UPDATE runs SET state = ?, started_at = ?, thread = ?, node = ?, code = ?, is_over = ?, is_lossy = ?, summary = ?, search = ? WHERE key = ?`,
      )
      .run(
        state,
        startedAt,
        thread ?? null,
        error?.node ?? null,
        error?.code ?? null,
        Number(isOver),
        Number(isLossy),
        JSON.stringify(summary),
        searchOf(summary),
        key,
      );
  }

  find(flow: string, runId: string): StoredRun | undefined {
    const row = this.#database
      .prepare("SELECT * FROM runs WHERE flow = ? AND id = ? ORDER BY started_at DESC LIMIT 1")
      .get(flow, runId) as Row | undefined;
    return row && storedOf(row);
  }

  /** Finds the run of an id, or else up to five whose ids begin with it, the newest first. */
  named(id: string): StoredRun[] {
    const rows = this.#database
      .prepare("SELECT * FROM runs WHERE id = ? OR substr(id, 1, length(?)) = ? ORDER BY started_at DESC LIMIT 5")
      .all(id, id, id) as unknown as Row[];
    const exact = rows.filter((row) => row.id === id);
    return (exact.length > 0 ? exact.slice(0, 1) : rows).map(storedOf);
  }

  facts(key: number): Fact[] {
    const rows = this.#database.prepare("SELECT items FROM facts WHERE run = ? ORDER BY position").all(key);
    return (rows as unknown as readonly { readonly items: string }[]).flatMap(
      ({ items }) => JSON.parse(items) as Fact[],
    );
  }

  /** Lists runs, newest first, and the cursor of the next page. */
  list(filter: RunFilter): { readonly runs: StoredRun[]; readonly next: string | undefined } {
    const { limit = 50, cursor } = filter;
    const most = Math.min(limit, MAX_PAGE);
    const { where, values } = conditions(filter);
    if (cursor !== undefined) {
      const [startedAt, key] = cursor.split(".").map(Number);
      where.push("(started_at, key) < (?, ?)");
      values.push(startedAt ?? 0, key ?? 0);
    }
    const rows = this.#database
      .prepare(
        `SELECT * FROM runs ${where.length === 0 ? "" : `WHERE ${where.join(" AND ")}`} ORDER BY started_at DESC, key DESC LIMIT ?`,
      )
      .all(...values, most + 1) as unknown as Row[];
    const shown = rows.slice(0, most);
    const last = shown.at(-1);
    return {
      runs: shown.map(storedOf),
      next: rows.length > most && last !== undefined ? `${last.started_at}.${last.key}` : undefined,
    };
  }

  /** The runs that had not ended when the last server did. */
  open(): StoredRun[] {
    return (this.#database.prepare("SELECT * FROM runs WHERE is_over = 0").all() as unknown as Row[]).map(storedOf);
  }

  delete(key: number): void {
    this.#database.prepare("DELETE FROM runs WHERE key = ?").run(key);
  }

  /** Deletes the oldest of the ended runs beyond each limit, and returns their number. */
  prune(
    { runs, bytes, ageMs }: { readonly runs: number; readonly bytes: number; readonly ageMs: number },
    now: number,
  ): number {
    const { changes } = this.#database
      .prepare(
        `DELETE FROM runs WHERE is_over = 1 AND (
           started_at < ?
           OR key IN (
             SELECT key FROM (
               SELECT key, row_number() OVER newest AS place, sum(bytes) OVER newest AS total FROM runs
               WINDOW newest AS (ORDER BY started_at DESC, key DESC)
             ) WHERE place > ? OR total > ?
           ))`,
      )
      .run(now - ageMs, runs, bytes);
    return Number(changes);
  }
}

function conditions({ flow, state, node, code, tenant, thread, q, from, to }: RunFilter) {
  const where: string[] = [];
  const values: SQLInputValue[] = [];
  for (const [name, value] of Object.entries({ flow, state, node, code, tenant, thread })) {
    if (value === undefined) continue;
    where.push(`${name} = ?`);
    values.push(value);
  }
  if (q !== undefined && q !== "") {
    where.push("search LIKE ? ESCAPE '\\'");
    values.push(`%${q.replace(/[\\%_]/g, "\\$&")}%`);
  }
  if (from !== undefined) {
    where.push("started_at >= ?");
    values.push(from);
  }
  if (to !== undefined) {
    where.push("started_at < ?");
    values.push(to);
  }
  return { where, values };
}

function storedOf({ key, flow, id, tenant, is_durable, is_over, is_lossy, summary }: Row): StoredRun {
  return {
    key,
    place: { flow, runId: id, tenant },
    isDurable: is_durable === 1,
    isOver: is_over === 1,
    isLossy: is_lossy === 1,
    summary: JSON.parse(summary) as RunSummary,
  };
}

function searchOf({ id, input, output = "", error }: RunSummary): string {
  return `${id}\n${input}\n${output}\n${error?.code ?? ""} ${error?.message ?? ""}`.slice(0, SEARCHED);
}
