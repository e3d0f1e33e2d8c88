import { randomUUID } from "node:crypto";
import type {
  Clock,
  HistoryPage,
  HistoryQuery,
  RemoteBinding,
  Retention,
  StateStore,
  StoredEvent,
  TraceKey,
  TracePage,
  TraceQuery,
  TraceSummary,
} from "penguiflow";
import { fromStorable, requireInteger, summarize, summaryOf, toStorable } from "penguiflow/adapter";
import type { Database } from "./database.ts";
import { openSchema, quoted } from "./migrations.ts";
import { type PostgresStateStoreOptions, type ResolvedStoreOptions, resolveStoreOptions } from "./options.ts";
import { prune } from "./prune.ts";
import { toKey } from "./text-key.ts";

/** Retention is enforced after that many saved events or milliseconds, whichever comes first. */
const PRUNE_AFTER_EVENTS = 10_000;
const PRUNE_AFTER_MS = 60_000;
/** Maximum rows per statement: more would block the event loop for too long. */
const ROWS_AT_ONCE = 250;

/** Events of a batch that belong to one trace. */
interface Group extends TraceKey {
  readonly events: StoredEvent[];
}

/**
 * Stores the events of flows in PostgreSQL. Several processes may share a schema. While the server is unreachable,
 * calls retry until their patience is exhausted. A batch whose answer was lost is not stored twice.
 *
 * @example
 * ```ts
 * await using store = await PostgresStateStore.open({ connection: "postgres://user@host/database" });
 * await using flow = create(a.to(b), { stateStore: store });
 * ```
 */
export class PostgresStateStore implements StateStore, AsyncDisposable {
  readonly #database: Database;
  readonly #schema: string;
  readonly #retention: Retention;
  readonly #clock: Clock;
  /** Identity under which the server remembers this store's last batch. */
  readonly #writer: string = randomUUID();
  #batches = 0;
  /** Settles with the latest save. */
  #saving: Promise<unknown> = Promise.resolve();
  #pruning: Promise<void> | undefined;
  #savedSincePruned = 0;
  #prunedAt: number;
  #closed: Promise<void> | undefined;

  private constructor(database: Database, { schema, clock, ...rest }: ResolvedStoreOptions) {
    this.#database = database;
    this.#schema = quoted(schema);
    this.#retention = rest;
    this.#clock = clock;
    this.#prunedAt = clock.now();
  }

  /**
   * Connects, and creates or migrates the schema.
   *
   * @throws TypeError, RangeError when an option is unknown, of the wrong kind or out of range
   * @throws Error when the server cannot be reached or refuses, or when the schema is of a newer version
   */
  static async open(options: PostgresStateStoreOptions): Promise<PostgresStateStore> {
    const resolved = resolveStoreOptions(options);
    const database = await openSchema(resolved, async (opened) => {
      await opened.query(`delete from ${quoted(resolved.schema)}.writers where seen_at < now() - interval '1 day'`);
    });
    return new PostgresStateStore(database, resolved);
  }

  /** Stores events in the given order, all of them or none. */
  async saveEvents(batch: readonly StoredEvent[]): Promise<void> {
    this.#requireOpen();
    if (batch.length === 0) return;
    const saved = this.#saving.then(async () => await this.#save(batch, (this.#batches += 1)));
    this.#saving = saved.catch(() => {});
    await saved;
    this.#savedSincePruned += batch.length;
    this.#pruneSometimes();
  }

  /**
   * Loads a page of a trace's events, oldest first; an empty one for an unknown trace.
   *
   * @throws TypeError when the cursor is not one of this store
   * @throws TypeError, RangeError when the limit is not a whole number of 1 or more
   */
  async loadHistory(query: HistoryQuery): Promise<HistoryPage> {
    this.#requireOpen();
    const { tenant, traceId, cursor, limit = 1000 } = query;
    requireInteger("limit", limit, 1);
    // A trace that was pruned and written again is another one, with a greater id.
    const [trace = "0", number = "0"] = placeOf(cursor, /^(\d{1,18})\/(\d{1,18})$/);
    const rows = await this.#database.query(
      `select e.trace, e.number, e.kind, e.at, e.node, e.payload
       from ${this.#schema}.traces t join ${this.#schema}.events e on e.tenant = t.tenant and e.trace = t.id
       where t.tenant = $1 and t.trace_id = $2 and (e.trace, e.number) > ($3::bigint, $4::bigint)
       order by e.number limit $5::bigint + 1`,
      [toKey(tenant), toKey(traceId), trace, number, limit],
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
      cursor: last && `${String(last["trace"])}/${String(last["number"])}`,
    };
  }

  /**
   * Lists a page of a tenant's traces, the latest start first.
   *
   * @throws TypeError when the cursor is not one of this store
   * @throws TypeError, RangeError when the limit is not a whole number of 1 or more
   */
  async listTraces(query: TraceQuery): Promise<TracePage> {
    this.#requireOpen();
    const { tenant, state, node, errorCode, startedFrom, startedBefore, cursor, limit = 1000 } = query;
    requireInteger("limit", limit, 1);
    const [before, beforeId] = placeOf(cursor, /^(-?\d{1,18}(?:\.\d{1,18})?)\/(\d{1,18})$/);
    const rows = await this.#database.query(
      `select * from ${this.#schema}.traces
       where tenant = $1 and started_at is not null
         and ($2::text is null or state = $2) and ($3::text is null or node = $3)
         and ($4::text is null or error_code = $4)
         and ($5::float8 is null or started_at >= $5) and ($6::float8 is null or started_at < $6)
         and ($7::float8 is null or (started_at, id) < ($7, $8::bigint))
       order by started_at desc, id desc limit $9::bigint + 1`,
      [
        toKey(tenant),
        state,
        node === undefined ? undefined : toStorable(node),
        errorCode === undefined ? undefined : toStorable(errorCode),
        startedFrom,
        startedBefore,
        before,
        beforeId,
        limit,
      ],
    );
    const page = rows.slice(0, limit);
    const last = rows.length > limit ? page.at(-1) : undefined;
    return {
      traces: page.map((row) => ({
        ...summaryOf(row),
        tenant,
        traceId: fromStorable((row["long_trace_id"] ?? row["trace_id"]) as string),
      })),
      cursor: last && `${String(last["started_at"])}/${String(last["id"])}`,
    };
  }

  /** Removes traces and events beyond the limits; resolves to the number of traces removed. Rows being saved stay. */
  async prune(): Promise<number> {
    this.#requireOpen();
    this.#savedSincePruned = 0;
    this.#prunedAt = this.#clock.now();
    return await prune(this.#database, this.#schema, this.#retention, this.#clock.epochNow());
  }

  /** Stores a binding; replaces one of the same trace, node, agent and task. */
  async saveRemoteBinding(binding: RemoteBinding): Promise<void> {
    this.#requireOpen();
    const { tenant, traceId, node, agentUrl, taskId } = binding;
    await this.#database.query(
      `with trace as (
         insert into ${this.#schema}.traces as t (tenant, trace_id, long_trace_id, last_at) values ($1, $2, $3, $4)
         on conflict (tenant, trace_id) do update set last_at = t.last_at
         returning id
       )
       insert into ${this.#schema}.bindings (tenant, trace, key, binding) select $1, id, $5, $6 from trace
       on conflict (tenant, trace, key) do update set binding = excluded.binding`,
      [
        toKey(tenant),
        toKey(traceId),
        longOf(traceId),
        this.#clock.epochNow(),
        toKey(JSON.stringify([node, agentUrl, taskId])),
        JSON.stringify(binding),
      ],
    );
  }

  /** Loads the bindings of a trace in the order of their first save; none for an unknown trace. */
  async findRemoteBindings({ tenant, traceId }: TraceKey): Promise<readonly RemoteBinding[]> {
    this.#requireOpen();
    const rows = await this.#database.query(
      `select b.binding
       from ${this.#schema}.traces t join ${this.#schema}.bindings b on b.tenant = t.tenant and b.trace = t.id
       where t.tenant = $1 and t.trace_id = $2 order by b.number`,
      [toKey(tenant), toKey(traceId)],
    );
    return rows.map(({ binding }) => ({
      contextId: undefined,
      ...(JSON.parse(binding as string) as Omit<RemoteBinding, "contextId">),
    }));
  }

  /** Waits for pending calls, then closes the connections. Idempotent. */
  async close(): Promise<void> {
    this.#closed ??= (async () => {
      await this.#saving;
      await this.#pruning;
      await this.#database.close();
    })();
    await this.#closed;
  }

  /** Closes the connections: `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Saves a batch. All processes lock the rows of traces in one order, which prevents deadlocks. */
  async #save(batch: readonly StoredEvent[], number: number): Promise<void> {
    const groups = groupsOf(batch);
    const keys = [...groups.values()];
    await this.#database.transaction(async (query) => {
      const traces = await query(
        `with claim as (
           insert into ${this.#schema}.writers as w (id, batch) values ($1, $2)
           on conflict (id) do update set batch = excluded.batch, seen_at = now() where w.batch < excluded.batch
           returning id
         ), heard as materialized (
           select *, nextval($3::regclass) as id from (
             select * from unnest($4::text[], $5::text[], $6::text[]) with ordinality as u (tenant, trace_id, long, place)
             where exists (select from claim) order by place
           ) as in_order
         )
         insert into ${this.#schema}.traces as t (id, tenant, trace_id, long_trace_id, last_at)
         select id, tenant, trace_id, long, 0 from heard order by tenant, trace_id
         on conflict (tenant, trace_id) do update set last_at = t.last_at
         returning *`,
        [
          this.#writer,
          number,
          `${this.#schema}.traces_id_seq`,
          keys.map(({ tenant }) => toKey(tenant)),
          keys.map(({ traceId }) => toKey(traceId)),
          keys.map(({ traceId }) => longOf(traceId)),
        ],
      );
      // the batch was stored earlier, and the answer was lost
      if (traces.length === 0) return;
      let told = new Columns(7);
      const changed = new Columns(10);
      const tell = async (): Promise<void> => {
        await query(
          `insert into ${this.#schema}.events (tenant, trace, number, kind, at, node, payload)
           select * from unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::float8[], $6::text[], $7::text[])`,
          told.columns,
        );
        told = new Columns(7);
      };
      for (const row of traces) {
        const { events } = groups.get(`${String(row["tenant"])}\0${String(row["trace_id"])}`) as Group;
        let summary = row["started_at"] === null ? undefined : summaryOf(row);
        let bytes = 0;
        for (const [index, event] of events.entries()) {
          summary = summarize(summary, event);
          const payload = JSON.stringify(event.payload);
          bytes += Buffer.byteLength(payload);
          const place = Number(row["last_event"]) + index + 1;
          told.add(row["tenant"], row["id"], place, event.kind, event.at, keptText(event.node), payload);
          if (told.rows === ROWS_AT_ONCE) await tell();
        }
        const { flow, state, startedAt, lastAt, node, errorCode } = summary as TraceSummary;
        const news = [keptText(flow), state, startedAt, lastAt, keptText(node), keptText(errorCode)];
        changed.add(row["tenant"], row["trace_id"], ...news, events.length, bytes);
      }
      await tell();
      await query(
        `update ${this.#schema}.traces t set
           flow = u.flow, state = u.state, started_at = u.started_at, last_at = u.last_at, node = u.node,
           error_code = u.error_code, last_event = last_event + u.events,
           events = t.events + u.events, bytes = t.bytes + u.bytes
         from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::float8[], $6::float8[], $7::text[],
           $8::text[], $9::bigint[], $10::bigint[])
           as u (tenant, trace_id, flow, state, started_at, last_at, node, error_code, events, bytes)
         where t.tenant = u.tenant and t.trace_id = u.trace_id`,
        changed.columns,
      );
    });
  }

  #pruneSometimes(): void {
    const isDue = this.#savedSincePruned >= PRUNE_AFTER_EVENTS || this.#clock.now() >= this.#prunedAt + PRUNE_AFTER_MS;
    if (!isDue || this.#pruning !== undefined || this.#closed !== undefined) return;
    this.#pruning = (async () => {
      try {
        await this.prune();
      } catch (error) {
        // The events are saved, so a failure to prune must not fail the save.
        process.emitWarning(`Cannot prune schema ${this.#schema}: ${String(error)}`);
      }
      this.#pruning = undefined;
    })();
  }

  #requireOpen(): void {
    if (this.#closed !== undefined) throw new Error(`Cannot use the store of schema ${this.#schema}: it is closed`);
  }
}

/** Collects rows column by column: each column is one array parameter, whatever the number of rows. */
class Columns {
  readonly columns: unknown[][];

  constructor(count: number) {
    this.columns = Array.from({ length: count }, () => []);
  }

  get rows(): number {
    return this.columns[0]?.length ?? 0;
  }

  add(...row: readonly unknown[]): void {
    for (const [index, value] of row.entries()) this.columns[index]?.push(value);
  }
}

function groupsOf(batch: readonly StoredEvent[]): Map<string, Group> {
  const groups = new Map<string, Group>();
  for (const event of batch) {
    const { tenant, traceId } = event;
    const key = `${toKey(tenant)}\0${toKey(traceId)}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { tenant, traceId, events: [event] });
    else group.events.push(event);
  }
  return groups;
}

/** Reads a nullable column. */
function textOf(column: unknown): string | undefined {
  return typeof column === "string" ? fromStorable(column) : undefined;
}

function keptText(text: string | undefined): string | undefined {
  return text === undefined ? undefined : toStorable(text);
}

/** Returns a trace id too long for its key; `undefined` for a short one. */
function longOf(traceId: string): string | undefined {
  const kept = toStorable(traceId);
  return kept === toKey(traceId) ? undefined : kept;
}

/** Parses the numbers of a cursor; none without a cursor. */
function placeOf(cursor: string | undefined, shape: RegExp): string[] {
  if (cursor === undefined) return [];
  const numbers = shape.exec(cursor)?.slice(1);
  if (numbers === undefined)
    throw new TypeError(`Cannot continue from cursor ${JSON.stringify(cursor)}: this store did not issue it`);
  return numbers;
}
