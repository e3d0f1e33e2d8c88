import { randomUUID } from "node:crypto";
import type {
  FlowError,
  CheckpointBatch,
  CheckpointFilter,
  LeaseRequest,
  Checkpoint,
  CheckpointPartition,
  LogRow,
  SharedLease,
  SharedLeaseRequest,
  SharingCheckpointStore,
  StoredOutcome,
  TraceKey,
} from "penguiflow";
import {
  fromStorable,
  partitionFenced,
  partitionLeased,
  requireInteger,
  sharedLeaseEnded,
  toStorable,
} from "penguiflow/adapter";
import { appendStatement, type Append } from "./append-statement.ts";
import { type Database, isRefusal, type Row } from "./database.ts";
import { Gatherer } from "./gatherer.ts";
import { openSchema, quoted } from "./migrations.ts";
import { type PostgresOptions, resolveOptions } from "./options.ts";
import { createSharedLease } from "./postgres-shared-lease.ts";
import { fromJsonText, toKey } from "./text-key.ts";

/** Limits of a page: it ends with the entry that reaches one of them. */
const ENTRIES_PER_PAGE = 1_000;
const BYTES_PER_PAGE = 4_000_000;
/** Limits of what is stored in one statement: batches, and characters of their states. */
const BATCHES_AT_ONCE = 64;
const LENGTH_AT_ONCE = 4_000_000;

let make: (database: Database, schema: string) => PostgresCheckpointStore;

/** Makes a store on a database that others use, too. */
export const checkpointsOn = (database: Database, schema: string): PostgresCheckpointStore => make(database, schema);

/**
 * Stores the traces of durable flows in PostgreSQL. Several processes may share a schema, each with its own partitions;
 * a lease ends by the server's clock. While the server is unreachable, calls retry until their patience is exhausted. A
 * batch whose answer was lost is not stored twice.
 *
 * @example
 * ```ts
 * await using checkpoints = await PostgresCheckpointStore.open({ connection: "postgres://user@host/database" });
 * const partition = await checkpoints.open({ partition: "orders", owner: "worker 1", leaseMs: 10_000 });
 * ```
 */
export class PostgresCheckpointStore implements SharingCheckpointStore, AsyncDisposable {
  readonly #database: Database;
  readonly #name: string;
  readonly #appends: Appends;
  #closed: Promise<void> | undefined;

  static {
    make = (database, schema) => new PostgresCheckpointStore(database, schema);
  }

  private constructor(database: Database, schema: string) {
    this.#database = database;
    this.#name = quoted(schema);
    this.#appends = new Gatherer(
      (appends) => this.#append(appends),
      (appends, next) =>
        appends.length < BATCHES_AT_ONCE &&
        appends.reduce((sum, { length }) => sum + length, next.length) <= LENGTH_AT_ONCE,
      // a slow one must not hold up the others for long
      { atOnce: 2 },
    );
  }

  /**
   * Connects, and creates or migrates the schema.
   *
   * @throws TypeError, RangeError when an option is unknown, of the wrong kind or out of range
   * @throws Error when the server cannot be reached or refuses, or when the schema is of a newer version
   */
  static async open(options: PostgresOptions): Promise<PostgresCheckpointStore> {
    const resolved = resolveOptions("PostgresCheckpointStore", options);
    return new PostgresCheckpointStore(await openSchema(resolved), resolved.schema);
  }

  /**
   * Leases a partition, which is created if missing.
   *
   * @throws FlowError `PARTITION_LEASED` while the lease of another writer lasts
   * @throws TypeError, RangeError when `leaseMs` is not a whole number of 1 or more
   */
  async open(request: LeaseRequest): Promise<CheckpointPartition> {
    this.#requireOpen();
    const { partition, owner, leaseMs } = request;
    requireInteger("leaseMs", leaseMs, 1);
    const values = [randomUUID(), toKey(partition), randomUUID(), toStorable(owner), leaseMs];
    for (;;) {
      // a shared lease that has expired ends with the step that takes the partition. What the statement has seen of the
      // partition must still be so, because the look for the shared lease is as old
      const [taken] = await this.#database.query(
        `with seen as (
           select epoch, lease from ${this.#name}.journal_partitions where key = $2
         ), ended as (
           delete from ${this.#name}.shared_leases s using seen
           where s.id = seen.lease and s.ends_at <= clock_timestamp() returning s.id
         ), free as (
           select seen.epoch, seen.lease from seen
           where seen.lease in (select id from ended)
             or not exists (select from ${this.#name}.shared_leases s where s.id = seen.lease)
         )
         insert into ${this.#name}.journal_partitions as p (id, key, epoch, sequence, mark, owner, claim_ends_at)
         values ($1, $2, 1, 0, $3, $4, clock_timestamp() + $5::float8 * interval '1 millisecond')
         on conflict (key) do update set
           epoch = p.epoch + case p.mark when excluded.mark then 0 else 1 end,
           mark = excluded.mark, owner = excluded.owner, claim_ends_at = excluded.claim_ends_at, lease = null
         where p.mark = excluded.mark
           or case when p.lease is null then p.claim_ends_at <= clock_timestamp()
              else exists (select from free where free.epoch = p.epoch and free.lease = p.lease) end
         returning id, epoch, sequence,
           exists (select from ${this.#name}.journal_logs l where l.partition = p.id) as has_logs`,
        values,
      );
      if (taken !== undefined) {
        const { id, epoch, sequence } = taken;
        const opened = { id: id as string, epoch: Number(epoch), sequence: Number(sequence) };
        const hasLogs = taken["has_logs"] === true;
        return new PostgresPartition(this.#database, this.#name, request, {
          ...opened,
          hasLogs,
          appends: this.#appends,
        });
      }
      const [held] = await this.#database.query(
        `select p.owner, extract(epoch from
           case when p.lease is null then p.claim_ends_at else s.ends_at end - clock_timestamp()
         )::float8 * 1000 as ends_in_ms
         from ${this.#name}.journal_partitions p left join ${this.#name}.shared_leases s on s.id = p.lease
         where p.key = $1`,
        [toKey(partition)],
      );
      const endsInMs = Number(held?.["ends_in_ms"] ?? 0);
      // it may have ended between the two statements
      if (endsInMs > 0) throw partitionLeased({ partition, owner: fromStorable(held?.["owner"] as string), endsInMs });
    }
  }

  /**
   * Creates a lease, under which partitions can be opened.
   *
   * @throws TypeError, RangeError when `leaseMs` is not a whole number of 1 or more
   */
  async share(request: SharedLeaseRequest): Promise<SharedLease> {
    this.#requireOpen();
    return await createSharedLease(this.#database, this.#name, request);
  }

  /** Stores batches of several partitions in one statement. Each answer is whether it was stored now, or why not. */
  async #append(appends: readonly Append[]): Promise<readonly (boolean | Error)[]> {
    const { text, values } = appendStatement(this.#name, appends);
    try {
      const stored = new Set((await this.#database.query(text, values)).map(({ place }) => Number(place)));
      return appends.map((_, index) => stored.has(index + 1));
    } catch (error) {
      if (appends.length === 1 || !isRefusal(error)) return appends.map(() => error as Error);
      // nothing is stored: one that the server refuses must not fail the others
      return (await Promise.all(appends.map((append) => this.#append([append])))).flat();
    }
  }

  #requireOpen(): void {
    if (this.#closed !== undefined)
      throw new Error(`Cannot use the checkpoint store of schema ${this.#name}: it is closed`);
  }

  /**
   * Waits for pending calls, then closes the connections. Leases of open partitions last until they end. Idempotent.
   */
  async close(): Promise<void> {
    await (this.#closed ??= this.#database.close());
  }

  /** Closes the connections: `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

type Appends = Gatherer<Append, boolean | Error>;

/** A partition as it was opened, and what stores its batches. */
interface Opened {
  readonly id: string;
  readonly epoch: number;
  readonly sequence: number;
  readonly hasLogs: boolean;
  readonly appends: Appends;
}

/** Returns the assignment that prolongs the lease of a partition. */
const PROLONG = (parameter: string): string =>
  `claim_ends_at = clock_timestamp() + ${parameter}::float8 * interval '1 millisecond'`;

/** Returns the assignment that puts a partition under a shared lease, unless it was released. */
const SHARE = (parameter: string): string =>
  `lease = case when claim_ends_at > to_timestamp(0) then ${parameter}::uuid end`;

class PostgresPartition implements CheckpointPartition {
  readonly id: string;
  readonly fencingToken: number;
  readonly #database: Database;
  readonly #schema: string;
  readonly #request: LeaseRequest;
  readonly #appends: Appends;
  #sequence: number;
  /** Whether there may be rows of logs. */
  #hasLogs: boolean;
  /** Batch that may or may not be stored, because its answer was lost. */
  #unsure: { readonly batch: CheckpointBatch; readonly mark: string } | undefined;
  /** Settles with the latest call; calls are serialised because they change one row. */
  #calls: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(database: Database, schema: string, request: LeaseRequest, opened: Opened) {
    this.id = opened.id;
    this.fencingToken = opened.epoch;
    this.#sequence = opened.sequence;
    this.#hasLogs = opened.hasLogs;
    this.#appends = opened.appends;
    this.#database = database;
    this.#schema = schema;
    this.#request = request;
  }

  get sequence(): number {
    return this.#sequence;
  }

  async *read(filter: CheckpointFilter = {}): AsyncGenerator<readonly Checkpoint[]> {
    this.#requireOpen();
    const [condition, values] = conditionOf(filter);
    const pages = await this.#database.query(
      `with weighed as materialized (
         select run, octet_length(state) as bytes from ${this.#schema}.journal_entries e
         where partition = $1 and ${condition(2)}
       ), numbered as (
         select run, (row_number() over by_run - 1) / ${ENTRIES_PER_PAGE}
           + (sum(bytes) over by_run - bytes) / ${BYTES_PER_PAGE} as page
         from weighed window by_run as (order by run)
       )
       select p.epoch, p.owner, pages.first, pages.last
       from ${this.#schema}.journal_partitions p left join (
         select min(run) as first, max(run) as last from numbered group by page
       ) as pages on true
       where p.id = $1 order by pages.first`,
      [this.id, ...values],
    );
    this.#requireLease(pages[0]);
    for (const { first, last } of pages) {
      if (first === null) return;
      this.#requireOpen();
      // both bounds, so that the planner sees a small range whatever the distribution of the runs
      const rows = await this.#database.query(
        `select p.epoch, p.owner, e.run, e.tenant, e.trace_id, e.status, e.version, e.state, e.due_at
         from ${this.#schema}.journal_partitions p left join ${this.#schema}.journal_entries e
           on e.partition = p.id and e.run between $2 and $3 and ${condition(4)}
         where p.id = $1 order by e.run`,
        [this.id, first, last, ...values],
      );
      this.#requireLease(rows[0]);
      const page = rows.filter(({ run }) => run !== null).map(entryOf);
      if (page.length > 0) yield page;
    }
  }

  async readLog(run: number): Promise<readonly LogRow[]> {
    this.#requireOpen();
    const rows = await this.#database.query(
      `select p.epoch, p.owner, l.at, l.items
       from ${this.#schema}.journal_partitions p left join ${this.#schema}.journal_logs l
         on l.partition = p.id and l.run = $2
       where p.id = $1 order by l.at`,
      [this.id, run],
    );
    this.#requireLease(rows[0]);
    const known = rows.filter(({ at }) => at !== null);
    return known.map(({ at, items }) => ({ run, at: Number(at), items: fromJsonText(items as string) }));
  }

  async countAtRest(): Promise<number> {
    return (await this.#ofRest("count(*)")) ?? 0;
  }

  async nextDueAt(after: number): Promise<number | undefined> {
    return await this.#ofRest("min(e.due_at)", "and e.due_at > $2 and e.due_at < 'Infinity'", [after]);
  }

  /** Returns an aggregate of the entries at rest. */
  async #ofRest(aggregate: string, condition = "", values: readonly number[] = []): Promise<number | undefined> {
    this.#requireOpen();
    const [row] = await this.#database.query(
      `select p.epoch, p.owner, (
         select ${aggregate} from ${this.#schema}.journal_entries e
         where e.partition = p.id and e.due_at is not null ${condition}
       )::float8 as answer
       from ${this.#schema}.journal_partitions p where p.id = $1`,
      [this.id, ...values],
    );
    const { answer } = this.#requireLease(row) as { readonly answer?: number | null };
    return answer ?? undefined;
  }

  async counts(): Promise<ReadonlyMap<string, number>> {
    this.#requireOpen();
    const rows = await this.#database.query(
      `select p.epoch, p.owner, c.node, c.count
       from ${this.#schema}.journal_partitions p left join ${this.#schema}.journal_counts c on c.partition = p.id
       where p.id = $1`,
      [this.id],
    );
    this.#requireLease(rows[0]);
    const known = rows.filter(({ node }) => node !== null);
    return new Map(known.map(({ node, count }) => [fromStorable(node as string), Number(count)]));
  }

  async outcomes(keys: readonly TraceKey[]): Promise<readonly StoredOutcome[]> {
    this.#requireOpen();
    const rows = await this.#database.query(
      `select p.epoch, p.owner, o.run, o.tenant, o.trace_id, o.version, o.state, o.expires_at
       from ${this.#schema}.journal_partitions p left join (
         select distinct * from unnest($2::text[], $3::text[]) as k (tenant_key, trace_key)
         join ${this.#schema}.kept_outcomes using (tenant_key, trace_key) where partition = $1
       ) as o on true
       where p.id = $1`,
      [this.id, keys.map(({ tenant }) => toKey(tenant)), keys.map(({ traceId }) => toKey(traceId))],
    );
    this.#requireLease(rows[0]);
    return rows.filter(({ run }) => run !== null).map(outcomeOf);
  }

  async expiring(limit: number): Promise<readonly Pick<StoredOutcome, "run" | "expiresAt">[]> {
    this.#requireOpen();
    const rows = await this.#database.query(
      `select p.epoch, p.owner, o.run, o.expires_at from ${this.#schema}.journal_partitions p left join (
         select run, expires_at from ${this.#schema}.kept_outcomes where partition = $1
         order by expires_at, run limit $2
       ) as o on true
       where p.id = $1 order by o.expires_at, o.run`,
      [this.id, limit],
    );
    this.#requireLease(rows[0]);
    return rows
      .filter(({ run }) => run !== null)
      .map((row) => ({ run: Number(row["run"]), expiresAt: Number(row["expires_at"]) }));
  }

  async consumed(): Promise<ReadonlyMap<number, number>> {
    this.#requireOpen();
    const rows = await this.#database.query(
      `select p.epoch, p.owner, c.lane, c.sequence
       from ${this.#schema}.journal_partitions p left join ${this.#schema}.journal_positions c on c.partition = p.id
       where p.id = $1`,
      [this.id],
    );
    this.#requireLease(rows[0]);
    const known = rows.filter(({ lane }) => lane !== null);
    return new Map(known.map(({ lane, sequence }) => [Number(lane), Number(sequence)]));
  }

  /**
   * Stores a batch. A batch that was given up because the server was unreachable may be stored nevertheless: append the
   * same batch again, and it is stored once.
   *
   * @throws FlowError `PARTITION_FENCED` also when another batch is given instead of one that is stored nevertheless
   */
  async append(batch: CheckpointBatch, expectedSequence: number): Promise<number> {
    return await this.#inTurn(async () => {
      this.#requireOpen();
      const mark = this.#unsure?.batch === batch ? this.#unsure.mark : randomUUID();
      this.#unsure = { batch, mark };
      if (!(await this.#store(batch, expectedSequence, mark))) {
        const row = this.#requireLease(await this.#row());
        this.#sequence = Number(row["sequence"]);
        if (this.#sequence !== expectedSequence + 1 || row["mark"] !== mark)
          throw this.#fenced(`batch ${this.#sequence} is the last`);
      }
      this.#unsure = undefined;
      this.#sequence = expectedSequence + 1;
      return this.#sequence;
    });
  }

  async renew(): Promise<void> {
    await this.#inTurn(async () => {
      this.#requireOpen();
      const { under, leaseMs, owner } = this.#request;
      const [renewal, condition] =
        under === undefined
          ? [PROLONG, "true"]
          : [SHARE, `exists (select from ${this.#schema}.shared_leases where id = $3::uuid)`];
      const renewed = await this.#database.query(
        `update ${this.#schema}.journal_partitions set ${renewal("$3")}
         where id = $1 and epoch = $2 and ${condition} returning id`,
        [this.id, this.fencingToken, under ?? leaseMs],
      );
      if (renewed.length > 0) return;
      this.#requireLease(await this.#row());
      if (under !== undefined) throw sharedLeaseEnded(owner, "it is not there any more");
    });
  }

  async close(): Promise<void> {
    await this.#inTurn(async () => {
      this.#isClosed = true;
      await this.#database.query(
        `update ${this.#schema}.journal_partitions set claim_ends_at = to_timestamp(0), lease = null
         where id = $1 and epoch = $2`,
        [this.id, this.fencingToken],
      );
    });
  }

  /** Stores the batch; resolves to whether it did so now. */
  async #store(batch: CheckpointBatch, expectedSequence: number, mark: string): Promise<boolean> {
    if ((batch.logs ?? []).length > 0) this.#hasLogs = true;
    const { id, fencingToken } = this;
    const length = batch.put.reduce((sum, { state }) => sum + state.length, 0);
    const lease = this.#request;
    const append = { id, fencingToken, expectedSequence, mark, lease, batch, hasLogs: this.#hasLogs, length };
    const answer = await this.#appends.add(append);
    if (answer instanceof Error) throw answer;
    return answer;
  }

  async #row(): Promise<Row | undefined> {
    const rows = await this.#database.query(
      `select epoch, sequence, mark, owner from ${this.#schema}.journal_partitions where id = $1`,
      [this.id],
    );
    return rows[0];
  }

  /** Returns the partition's row; throws when another writer owns it. */
  #requireLease(row: Row | undefined): Row {
    if (row === undefined) throw this.#fenced("it is not there any more");
    if (Number(row["epoch"]) !== this.fencingToken)
      throw this.#fenced(`"${fromStorable(row["owner"] as string)}" has it now`);
    return row;
  }

  #requireOpen(): void {
    if (this.#isClosed) throw this.#fenced("it was closed");
  }

  #fenced(why: string): FlowError {
    return partitionFenced(this.#request.partition, why);
  }

  async #inTurn<Value>(call: () => Promise<Value>): Promise<Value> {
    const called = this.#calls.then(call);
    this.#calls = called.catch(() => {});
    return await called;
  }
}

function entryOf(row: Row): Checkpoint {
  return {
    run: Number(row["run"]),
    tenant: fromStorable(row["tenant"] as string),
    traceId: fromStorable(row["trace_id"] as string),
    status: row["status"] as Checkpoint["status"],
    version: row["version"] as number,
    state: fromJsonText(row["state"] as string),
    ...(row["due_at"] === null ? {} : { dueAt: Number(row["due_at"]) }),
  };
}

/** Returns a filter as a condition with parameters from a number on, and their values. */
function conditionOf({ isAtRest, runs, tenant, traceIds, dueBy }: CheckpointFilter) {
  const conditions: ((parameter: number) => string)[] = [];
  const values: unknown[] = [];
  const add = (value: unknown, condition: (parameter: string) => string): void => {
    if (value === undefined) return;
    const place = values.push(value) - 1;
    conditions.push((first) => condition(`$${first + place}`));
  };
  if (isAtRest !== undefined) conditions.push(() => `e.due_at is ${isAtRest ? "not null" : "null"}`);
  add(runs, (value) => `e.run = any (${value}::bigint[])`);
  add(dueBy, (value) => `e.due_at <= ${value}::float8`);
  const addNames = (column: string, names: readonly string[] | undefined): void => {
    const stored = names?.map(toStorable);
    // the beginning of a name is indexed
    add(stored?.map(beginningOf), (value) => `left(e.${column}, 250) = any (${value}::text[])`);
    add(stored, (value) => `e.${column} = any (${value}::text[])`);
  };
  addNames("tenant", tenant === undefined ? undefined : [tenant]);
  addNames("trace_id", traceIds);
  const condition = (first: number): string => ["true", ...conditions.map((each) => each(first))].join(" and ");
  return [condition, values] as const;
}

/** Returns the first 250 characters of a text as the server counts them. */
function beginningOf(text: string): string {
  return text.length <= 250 ? text : Array.from(text).slice(0, 250).join("");
}

function outcomeOf(row: Row): StoredOutcome {
  return {
    run: Number(row["run"]),
    tenant: fromStorable(row["tenant"] as string),
    traceId: fromStorable(row["trace_id"] as string),
    version: row["version"] as number,
    state: fromJsonText(row["state"] as string),
    expiresAt: Number(row["expires_at"]),
  };
}
