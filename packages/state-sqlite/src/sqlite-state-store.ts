import type {
  Clock,
  HistoryPage,
  HistoryQuery,
  RemoteBinding,
  StateStore,
  StoredEvent,
  TraceKey,
  TracePage,
  TraceQuery,
  TraceSummary,
} from "penguiflow";
import { fromStorable, requireInteger, summarize, summaryOf, toStorable } from "penguiflow/adapter";
import type { Database, Row, SqlValue } from "./database.ts";
import { openMigrated } from "./migrations.ts";
import { resolveOptions, type SqliteStateStoreOptions } from "./options.ts";
import { Pruning } from "./prune.ts";

/** one statement of many rows takes half the time of as many statements */
const ROWS_PER_STATEMENT = 20;

/** Events of a batch that belong to one trace. */
interface Group extends TraceKey {
  readonly events: StoredEvent[];
}

/**
 * Stores the events of flows in one SQLite file. Several processes may share it: one writes at a time, and the others
 * retry until their patience is exhausted.
 *
 * @example
 * ```ts
 * await using store = await SqliteStateStore.open({ file: "flow.db", maxAgeMs: 30 * 86_400_000 });
 * await using flow = create(a.to(b), { stateStore: store });
 * ```
 */
export class SqliteStateStore implements StateStore, AsyncDisposable {
  readonly #database: Database;
  readonly #pruning: Pruning;
  readonly #clock: Clock;

  private constructor(database: Database, pruning: Pruning, clock: Clock) {
    this.#database = database;
    this.#pruning = pruning;
    this.#clock = clock;
  }

  /**
   * Opens the file. Creates it when it is missing, and migrates it from an older version.
   *
   * @throws TypeError, RangeError when an option is unknown, of the wrong kind or out of range
   * @throws Error when the file cannot be opened and written to, is no database of this package, or of a newer version
   */
  static async open(options: SqliteStateStoreOptions): Promise<SqliteStateStore> {
    const resolved = resolveOptions(options);
    const database = await openMigrated(resolved);
    return new SqliteStateStore(database, new Pruning(database, resolved, resolved.clock), resolved.clock);
  }

  /** Stores events in the given order, all of them or none. Prunes beyond the limits. */
  async saveEvents(batch: readonly StoredEvent[]): Promise<void> {
    const groups = groupsOf(batch);
    await this.#database.transaction("save events in", async () => {
      for (const group of groups) await this.#save(group);
      await this.#pruning.releaseTraces(batch.length);
    });
  }

  /**
   * Loads a page of a trace's events, oldest first; an empty one for an unknown trace.
   *
   * @throws TypeError when the cursor is not one of this store
   * @throws TypeError, RangeError when the limit is not a whole number of 1 or more
   */
  async loadHistory(query: HistoryQuery): Promise<HistoryPage> {
    const { tenant, traceId, cursor, limit = 1000 } = query;
    requireInteger("limit", limit, 1);
    const [after = 0] = placeOf(cursor, /^(\d{1,15})$/);
    const rows = await this.#database.read("load a history from", () =>
      this.#database.all(
        `SELECT id, kind, at, node, payload FROM events
         WHERE trace = (SELECT id FROM traces WHERE tenant = ? AND trace_id = ?) AND id > ? ORDER BY id LIMIT ?`,
        toStorable(tenant),
        toStorable(traceId),
        after,
        limit + 1,
      ),
    );
    const page = rows.slice(0, limit);
    const last = rows.length > limit ? page.at(-1) : undefined;
    return {
      events: page.map(({ kind, at, node, payload }) => ({
        tenant,
        traceId,
        kind: kind as StoredEvent["kind"],
        at: at as number,
        node: textOf(node),
        payload: JSON.parse(payload as string) as StoredEvent["payload"],
      })),
      cursor: last && String(last["id"]),
    };
  }

  /**
   * Lists a page of a tenant's traces, the latest start first.
   *
   * @throws TypeError when the cursor is not one of this store
   * @throws TypeError, RangeError when the limit is not a whole number of 1 or more
   */
  async listTraces(query: TraceQuery): Promise<TracePage> {
    const { tenant, state, node, errorCode, startedFrom, startedBefore, cursor, limit = 1000 } = query;
    requireInteger("limit", limit, 1);
    const [before, beforeId] = placeOf(cursor, /^(-?\d{1,15}(?:\.\d{1,15})?)\/(\d{1,15})$/);
    const wishes: readonly (readonly [condition: string, ...values: SqlValue[]])[] = [
      ["state = ?", state],
      ["node = ?", keptText(node)],
      ["error_code = ?", keptText(errorCode)],
      ["started_at >= ?", startedFrom],
      ["started_at < ?", startedBefore],
      ["(started_at, id) < (?, ?)", before, beforeId],
    ];
    const wanted = wishes.filter(([, value]) => value !== undefined);
    const conditions = ["tenant = ?", "started_at IS NOT NULL", ...wanted.map(([condition]) => condition)];
    const rows = await this.#database.read("list traces of", () =>
      this.#database.all(
        `SELECT * FROM traces INDEXED BY ${indexFor(query)} WHERE ${conditions.join(" AND ")} ORDER BY started_at DESC, id DESC LIMIT ?`,
        toStorable(tenant),
        ...wanted.flatMap(([, ...values]) => values),
        limit + 1,
      ),
    );
    const page = rows.slice(0, limit);
    const last = rows.length > limit ? page.at(-1) : undefined;
    return { traces: page.map(summaryOf), cursor: last && `${String(last["started_at"])}/${String(last["id"])}` };
  }

  /** Removes traces and events beyond the limits; resolves to the number of traces removed. */
  async prune(): Promise<number> {
    return await this.#pruning.all();
  }

  /** Stores a binding; replaces one of the same trace, node, agent and task. */
  async saveRemoteBinding(binding: RemoteBinding): Promise<void> {
    const { node, agentUrl, taskId, contextId } = binding;
    await this.#database.transaction("save a remote binding in", async () => {
      this.#database.run(
        `INSERT INTO bindings (trace, node, agent_url, task_id, context_id) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (trace, node, agent_url, task_id) DO UPDATE SET context_id = excluded.context_id`,
        Number(this.#rowOf(binding, this.#clock.epochNow())["id"]),
        toStorable(node),
        toStorable(agentUrl),
        toStorable(taskId),
        keptText(contextId),
      );
      await this.#pruning.releaseTraces(0);
    });
  }

  /** Loads the bindings of a trace in the order of their first save; none for an unknown trace. */
  async findRemoteBindings({ tenant, traceId }: TraceKey): Promise<readonly RemoteBinding[]> {
    const rows = await this.#database.read("find remote bindings in", () =>
      this.#database.all(
        `SELECT node, agent_url, task_id, context_id FROM bindings
         WHERE trace = (SELECT id FROM traces WHERE tenant = ? AND trace_id = ?) ORDER BY id`,
        toStorable(tenant),
        toStorable(traceId),
      ),
    );
    return rows.map((row) => ({
      tenant,
      traceId,
      node: fromStorable(row["node"] as string),
      agentUrl: fromStorable(row["agent_url"] as string),
      taskId: fromStorable(row["task_id"] as string),
      contextId: textOf(row["context_id"]),
    }));
  }

  /** Waits for pending calls, then closes the file. Idempotent. */
  async close(): Promise<void> {
    await this.#database.close();
  }

  /** Closes the file: `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #save({ tenant, traceId, events }: Group): Promise<void> {
    const row = this.#rowOf({ tenant, traceId }, events[0]?.at ?? 0);
    const trace = Number(row["id"]);
    let summary = row["started_at"] === null ? undefined : summaryOf(row);
    let bytes = 0;
    for (let from = 0; from < events.length; from += ROWS_PER_STATEMENT) {
      const some = events.slice(from, from + ROWS_PER_STATEMENT);
      const values: SqlValue[] = [];
      for (const event of some) {
        summary = summarize(summary, event);
        const payload = jsonOf(event);
        bytes += Buffer.byteLength(payload);
        values.push(trace, event.kind, event.at, keptText(event.node), payload);
      }
      const rows = some.map(() => "(?, ?, ?, ?, ?)").join();
      this.#database.run(`INSERT INTO events (trace, kind, at, node, payload) VALUES ${rows}`, ...values);
      await this.#database.breathe(some.length);
    }
    const { flow, state, startedAt, lastAt, node, errorCode } = summary as TraceSummary;
    this.#database.run(
      `UPDATE traces SET flow = ?, state = ?, started_at = ?, last_at = ?, node = ?, error_code = ?,
         events = events + ?, bytes = bytes + ? WHERE id = ?`,
      keptText(flow),
      state,
      startedAt,
      lastAt,
      keptText(node),
      keptText(errorCode),
      events.length,
      bytes,
      trace,
    );
    this.#database.run("UPDATE totals SET bytes = bytes + ?", bytes);
    await this.#pruning.trim(trace, Number(row["events"]) + events.length);
  }

  /** Finds or inserts the row of a trace. Call it in a transaction. */
  #rowOf({ tenant, traceId }: TraceKey, at: number): Row {
    const find = "SELECT * FROM traces WHERE tenant = ? AND trace_id = ?";
    const key = [toStorable(tenant), toStorable(traceId)] as const;
    const row = this.#database.get(find, ...key);
    if (row !== undefined) return row;
    this.#database.run("INSERT INTO traces (tenant, trace_id, last_at) VALUES (?, ?, ?)", ...key, at);
    this.#database.run("UPDATE totals SET traces = traces + 1");
    return this.#database.get(find, ...key) as Row;
  }
}

/** Chooses the index for a query. SQLite itself would use the one by start for every page but the first. */
function indexFor({ state, errorCode }: TraceQuery): string {
  if (errorCode !== undefined) return "traces_by_error";
  return state === undefined ? "traces_by_start" : "traces_by_state";
}

function groupsOf(batch: readonly StoredEvent[]): Iterable<Group> {
  const groups = new Map<string, Group>();
  for (const event of batch) {
    const { tenant, traceId } = event;
    const key = JSON.stringify([tenant, traceId]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { tenant, traceId, events: [event] });
    else group.events.push(event);
  }
  return groups.values();
}

function jsonOf({ kind, traceId, payload }: StoredEvent): string {
  try {
    return JSON.stringify(payload);
  } catch (cause) {
    const what = `a "${kind}" event of trace ${JSON.stringify(traceId)}`;
    throw new TypeError(`Cannot save ${what}: its payload cannot be written as JSON`, { cause });
  }
}

/** Reads a nullable column. */
function textOf(column: unknown): string | undefined {
  return typeof column === "string" ? fromStorable(column) : undefined;
}

function keptText(text: string | undefined): string | undefined {
  return text === undefined ? undefined : toStorable(text);
}

/** Parses the numbers of a cursor; none without a cursor. */
function placeOf(cursor: string | undefined, shape: RegExp): number[] {
  if (cursor === undefined) return [];
  const numbers = shape.exec(cursor)?.slice(1).map(Number);
  if (numbers === undefined)
    throw new TypeError(`Cannot continue from cursor ${JSON.stringify(cursor)}: this store did not issue it`);
  return numbers;
}
