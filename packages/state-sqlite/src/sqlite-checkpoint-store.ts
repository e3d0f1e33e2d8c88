import { randomUUID } from "node:crypto";
import { crc32 } from "node:zlib";
import type {
  Clock,
  CheckpointStore,
  CheckpointBatch,
  CheckpointFilter,
  LeaseRequest,
  Checkpoint,
  CheckpointPartition,
  LogRow,
  StoredOutcome,
  TraceKey,
} from "penguiflow";
import { fromStorable, partitionFenced, partitionLeased, toStorable } from "penguiflow/adapter";
import { DAMAGED, type Database, type Row, type SqlValue } from "./database.ts";
import { openMigrated } from "./migrations.ts";
import { resolveFileOptions, type SqliteFileOptions } from "./options.ts";

/** Limits of a page of entries: their number, and the total length of their states. */
const ENTRIES_PER_PAGE = 1_000;
const CHARACTERS_PER_PAGE = 4 * 2 ** 20;
/** One statement of many rows is faster than as many statements. */
const ROWS_PER_STATEMENT = 20;

/**
 * Stores the traces of durable flows in one SQLite file, which may be that of a `SqliteStateStore`. A batch is one
 * transaction. At most one writer per partition: a fenced-off writer is refused, whatever the clock says.
 *
 * @example
 * ```ts
 * await using checkpoints = await SqliteCheckpointStore.open({ file: "flow.db", durability: "full" });
 * ```
 */
export class SqliteCheckpointStore implements CheckpointStore, AsyncDisposable {
  readonly #database: Database;
  readonly #clock: Clock;

  private constructor(database: Database, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  /**
   * Opens the file. Creates it when it is missing, and migrates it from an older version. Checks the pages of the
   * checkpoint store, which takes a tenth of a second for 100 000 entries.
   *
   * @throws TypeError, RangeError when an option is unknown, of the wrong kind or out of range
   * @throws Error when the file cannot be opened and written to, is damaged, no database of this package, or of a newer
   * version
   */
  static async open(options: SqliteFileOptions): Promise<SqliteCheckpointStore> {
    const resolved = resolveFileOptions("SqliteCheckpointStore", options);
    const database = await openMigrated(resolved);
    try {
      await database.read("open", () => {
        const tables = [
          "journal_partitions",
          "journal_entries",
          "journal_counts",
          "journal_logs",
          "kept_outcomes",
          "journal_positions",
        ];
        for (const table of tables) {
          const [wrong] = database.check(`quick_check(${table})`);
          if (wrong !== undefined) throw new Error(`${DAMAGED} (${wrong})`);
        }
      });
    } catch (error) {
      await database.close();
      throw error;
    }
    return new SqliteCheckpointStore(database, resolved.clock);
  }

  /**
   * Leases a partition, which is created if missing; resolves once the lease is stored.
   *
   * @throws FlowError `PARTITION_LEASED` while the lease of another writer lasts; `details` names its owner
   */
  async open({ partition, owner, leaseMs }: LeaseRequest): Promise<CheckpointPartition> {
    const database = this.#database;
    const name = toStorable(partition);
    const find = `SELECT *, EXISTS (SELECT 1 FROM journal_logs WHERE partition = journal_partitions.id) AS has_logs
      FROM journal_partitions WHERE name = ?`;
    const answer = await database.transaction("open a checkpoint store in", async () => {
      const now = this.#clock.epochNow();
      const before = database.get(find, name) as PartitionRow | undefined;
      if (before !== undefined && before.ends_at > now) {
        const { id, lease_ms } = before;
        const endsInMs = Math.min(before.ends_at - now, lease_ms);
        // the clock was set back since the lease was stored, which must not prolong it
        if (before.ends_at - now > lease_ms)
          database.run("UPDATE journal_partitions SET ends_at = ? WHERE id = ?", now + lease_ms, id);
        return { refusal: { partition, owner: fromStorable(before.owner), endsInMs } };
      }
      database.run(
        `INSERT INTO journal_partitions (name, public_id, epoch, sequence, owner, lease_ms, ends_at)
         VALUES (?, ?, 1, 0, ?, ?, ?) ON CONFLICT (name) DO UPDATE
         SET epoch = epoch + 1, owner = excluded.owner, lease_ms = excluded.lease_ms, ends_at = excluded.ends_at`,
        name,
        randomUUID(),
        toStorable(owner),
        leaseMs,
        now + leaseMs,
      );
      return { row: database.get(find, name) as PartitionRow };
    });
    if (answer.row === undefined) throw partitionLeased(answer.refusal);
    return new SqlitePartition(database, this.#clock, partition, answer.row);
  }

  /** Checks the whole file; returns the findings in SQLite's words, none when it is sound. Blocks the event loop. */
  async integrityCheck(): Promise<readonly string[]> {
    return await this.#database.read("check", () => this.#database.check("integrity_check"));
  }

  /** Waits for pending calls, then closes the file. Leases of open partitions last until they end. Idempotent. */
  async close(): Promise<void> {
    await this.#database.close();
  }

  /** Closes the file: `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** A row of `journal_partitions`. */
interface PartitionRow extends Row {
  readonly id: number;
  readonly public_id: string;
  readonly epoch: number;
  readonly sequence: number;
  readonly owner: string;
  readonly lease_ms: number;
  readonly ends_at: number;
  readonly has_logs: number;
}

/**
 * Writes one partition. Every change names the fencing token, so that it changes no row when another writer owns the
 * partition.
 */
class SqlitePartition implements CheckpointPartition {
  readonly id: string;
  readonly fencingToken: number;
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #name: string;
  readonly #row: number;
  readonly #leaseMs: number;
  #sequence: number;
  /** Whether there may be rows of logs: partitions without do not pay for their removal. */
  #hasLogs: boolean;
  #isClosed = false;

  constructor(database: Database, clock: Clock, name: string, lease: PartitionRow) {
    this.id = lease.public_id;
    this.fencingToken = lease.epoch;
    this.#database = database;
    this.#clock = clock;
    this.#name = name;
    this.#row = lease.id;
    this.#leaseMs = lease.lease_ms;
    this.#sequence = lease.sequence;
    this.#hasLogs = lease.has_logs === 1;
  }

  get sequence(): number {
    return this.#sequence;
  }

  async *read(filter: CheckpointFilter = {}): AsyncGenerator<readonly Checkpoint[]> {
    const selection = selectionOf(filter);
    let after = -Infinity;
    for (;;) {
      const page = await this.#read(() => this.#page(selection, after));
      const last = page.at(-1);
      if (last === undefined) return;
      yield page;
      after = last.run;
    }
  }

  async readLog(run: number): Promise<readonly LogRow[]> {
    const find = "SELECT at, items, checksum FROM journal_logs WHERE partition = ? AND run = ? ORDER BY at";
    return await this.#read(() => this.#database.all(find, this.#row, run).map((row) => logRowOf(run, row)));
  }

  async countAtRest(): Promise<number> {
    const find = "SELECT count(*) AS count FROM journal_entries WHERE partition = ? AND due_at IS NOT NULL";
    return await this.#read(() => this.#database.get(find, this.#row)?.["count"] as number);
  }

  async nextDueAt(after: number): Promise<number | undefined> {
    const find = "SELECT min(due_at) AS next FROM journal_entries WHERE partition = ? AND due_at > ?";
    const next = await this.#read(() => this.#database.get(find, this.#row, after)?.["next"] as number | null);
    return next === null || next === Number.POSITIVE_INFINITY ? undefined : next;
  }

  async counts(): Promise<ReadonlyMap<string, number>> {
    const find = "SELECT node, count FROM journal_counts WHERE partition = ?";
    const rows = await this.#read(() => this.#database.all(find, this.#row));
    return new Map(rows.map(({ node, count }) => [fromStorable(node as string), count as number]));
  }

  async outcomes(keys: readonly TraceKey[]): Promise<readonly StoredOutcome[]> {
    const find = `SELECT run, tenant, trace_id, version, state, expires_at, checksum FROM kept_outcomes
                  WHERE partition = ? AND tenant = ? AND trace_id = ?`;
    const found = await this.#read(() => {
      const outcomes = new Map<number, StoredOutcome>();
      for (const { tenant, traceId } of keys)
        for (const row of this.#database.all(find, this.#row, toStorable(tenant), toStorable(traceId)))
          outcomes.set(row["run"] as number, outcomeOf(row));
      return outcomes;
    });
    return [...found.values()];
  }

  async expiring(limit: number): Promise<readonly Pick<StoredOutcome, "run" | "expiresAt">[]> {
    const find = "SELECT run, expires_at FROM kept_outcomes WHERE partition = ? ORDER BY expires_at, run LIMIT ?";
    const rows = await this.#read(() => this.#database.all(find, this.#row, limit));
    return rows.map((row) => ({ run: row["run"] as number, expiresAt: row["expires_at"] as number }));
  }

  async consumed(): Promise<ReadonlyMap<number, number>> {
    const find = "SELECT lane, sequence FROM journal_positions WHERE partition = ?";
    const rows = await this.#read(() => this.#database.all(find, this.#row));
    return new Map(rows.map(({ lane, sequence }) => [lane as number, sequence as number]));
  }

  async append(
    { put, logs = [], remove, keep = [], forget = [], counts, consumed }: CheckpointBatch,
    expectedSequence: number,
  ): Promise<number> {
    await this.#write(async () => {
      const changed = this.#database.run(
        `UPDATE journal_partitions SET sequence = sequence + 1, ends_at = ? WHERE id = ? AND epoch = ? AND sequence = ?`,
        this.#clock.epochNow() + this.#leaseMs,
        this.#row,
        this.fencingToken,
        expectedSequence,
      );
      if (changed === 0) {
        this.#requireLease();
        throw partitionFenced(this.#name, `batch ${this.#sequence} is the last`);
      }
      // no yield to the event loop: callers wait for the batch, and it is small
      for (let from = 0; from < put.length; from += ROWS_PER_STATEMENT)
        this.#put(put.slice(from, from + ROWS_PER_STATEMENT));
      for (const row of logs)
        this.#database.run(
          "INSERT OR REPLACE INTO journal_logs (partition, run, at, items, checksum) VALUES (?, ?, ?, ?, ?)",
          this.#row,
          row.run,
          row.at,
          row.items,
          checksumOfRow(row),
        );
      if (logs.length > 0) this.#hasLogs = true;
      this.#delete("journal_entries", remove);
      for (const outcome of keep) this.#keep(outcome);
      this.#delete("kept_outcomes", forget);
      if (this.#hasLogs)
        this.#delete(
          "journal_logs",
          [...remove, ...forget],
          `AND NOT EXISTS (SELECT 1 FROM journal_entries e WHERE e.partition = journal_logs.partition AND e.run = journal_logs.run)
           AND NOT EXISTS (SELECT 1 FROM kept_outcomes o WHERE o.partition = journal_logs.partition AND o.run = journal_logs.run)`,
        );
      for (const [node, count] of counts)
        this.#database.run(
          `INSERT INTO journal_counts (partition, node, count) VALUES (?, ?, ?)
           ON CONFLICT (partition, node) DO UPDATE SET count = count + excluded.count`,
          this.#row,
          toStorable(node),
          count,
        );
      for (const [lane, sequence] of consumed ?? [])
        this.#database.run(
          `INSERT INTO journal_positions (partition, lane, sequence) VALUES (?, ?, ?)
           ON CONFLICT (partition, lane) DO UPDATE SET sequence = excluded.sequence`,
          this.#row,
          lane,
          sequence,
        );
    });
    return (this.#sequence = expectedSequence + 1);
  }

  async renew(): Promise<void> {
    await this.#write(async () => {
      const endsAt = this.#clock.epochNow() + this.#leaseMs;
      if (this.#setEnd(endsAt) === 0) this.#requireLease();
    });
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#database.transaction("close a checkpoint store in", async () => this.#setEnd(0));
  }

  /** Deletes the rows of these runs that fit the condition. */
  #delete(table: string, runs: readonly number[], condition = ""): void {
    if (runs.length === 0) return;
    this.#database.run(
      `DELETE FROM ${table} WHERE partition = ? AND run IN (SELECT value FROM json_each(?)) ${condition}`,
      this.#row,
      JSON.stringify(runs),
    );
  }

  #put(entries: readonly Checkpoint[]): void {
    const values: SqlValue[] = [];
    for (const entry of entries) {
      const { run, tenant, traceId, status, version, state, dueAt } = entry;
      const names = [toStorable(tenant), toStorable(traceId)];
      values.push(this.#row, run, ...names, status, version, state, checksumOf(entry), dueAt);
    }
    const rows = entries.map(() => "(?, ?, ?, ?, ?, ?, ?, ?, ?)").join();
    this.#database.run(
      `INSERT INTO journal_entries (partition, run, tenant, trace_id, status, version, state, checksum, due_at)
       VALUES ${rows}
       ON CONFLICT (partition, run) DO UPDATE SET tenant = excluded.tenant, trace_id = excluded.trace_id,
         status = excluded.status, version = excluded.version, state = excluded.state, checksum = excluded.checksum,
         due_at = excluded.due_at`,
      ...values,
    );
  }

  #keep(outcome: StoredOutcome): void {
    const { run, tenant, traceId, version, state, expiresAt } = outcome;
    this.#database.run(
      `INSERT INTO kept_outcomes (partition, run, tenant, trace_id, version, state, expires_at, checksum)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (partition, run) DO UPDATE SET tenant = excluded.tenant, trace_id = excluded.trace_id,
         version = excluded.version, state = excluded.state, expires_at = excluded.expires_at,
         checksum = excluded.checksum`,
      this.#row,
      run,
      toStorable(tenant),
      toStorable(traceId),
      version,
      state,
      expiresAt,
      checksumOfOutcome(outcome),
    );
  }

  #page({ index, condition, values }: Selection, after: number): Checkpoint[] {
    const entries: Checkpoint[] = [];
    let characters = 0;
    const rows = this.#database.iterate(
      `SELECT run, tenant, trace_id, status, version, state, checksum, due_at FROM journal_entries ${index}
       WHERE partition = ? AND run > ? ${condition} ORDER BY run`,
      this.#row,
      after,
      ...values,
    );
    for (const row of rows) {
      const entry = entryOf(row);
      entries.push(entry);
      characters += entry.state.length;
      if (entries.length === ENTRIES_PER_PAGE || characters >= CHARACTERS_PER_PAGE) break;
    }
    return entries;
  }

  async #read<Value>(work: () => Value): Promise<Value> {
    this.#requireOpen();
    return await this.#database.read("read a checkpoint store in", () => {
      const value = work();
      // a writer that owns the partition now has owned it during the read
      this.#requireLease();
      return value;
    });
  }

  async #write(work: () => Promise<void>): Promise<void> {
    this.#requireOpen();
    await this.#database.transaction("write a checkpoint store in", work);
  }

  /** Sets the end of the lease; returns the number of changed rows, none when another writer owns the partition. */
  #setEnd(endsAt: number): number {
    const change = "UPDATE journal_partitions SET ends_at = ? WHERE id = ? AND epoch = ?";
    return this.#database.run(change, endsAt, this.#row, this.fencingToken);
  }

  #requireOpen(): void {
    if (this.#isClosed) throw partitionFenced(this.#name, "it was closed");
  }

  #requireLease(): void {
    const found = this.#database.get("SELECT epoch, owner FROM journal_partitions WHERE id = ?", this.#row);
    if (found?.["epoch"] !== this.fencingToken)
      throw partitionFenced(this.#name, `"${fromStorable(String(found?.["owner"]))}" has it now`);
  }
}

function entryOf(row: Row): Checkpoint {
  const entry: Checkpoint = {
    run: row["run"] as number,
    tenant: fromStorable(row["tenant"] as string),
    traceId: fromStorable(row["trace_id"] as string),
    status: row["status"] as Checkpoint["status"],
    version: row["version"] as number,
    state: row["state"] as string,
    ...(row["due_at"] === null ? {} : { dueAt: row["due_at"] as number }),
  };
  if (checksumOf(entry) !== row["checksum"])
    throw new Error(`${DAMAGED} (the checksum of run ${entry.run} does not match)`);
  return entry;
}

function logRowOf(run: number, row: Row): LogRow {
  const found: LogRow = { run, at: row["at"] as number, items: row["items"] as string };
  if (checksumOfRow(found) !== row["checksum"])
    throw new Error(`${DAMAGED} (the checksum of the log of run ${run} does not match)`);
  return found;
}

function checksumOfRow({ run, at, items }: LogRow): number {
  return crc32(`${run} ${at} ${items}`);
}

function outcomeOf(row: Row): StoredOutcome {
  const outcome: StoredOutcome = {
    run: row["run"] as number,
    tenant: fromStorable(row["tenant"] as string),
    traceId: fromStorable(row["trace_id"] as string),
    version: row["version"] as number,
    state: row["state"] as string,
    expiresAt: row["expires_at"] as number,
  };
  if (checksumOfOutcome(outcome) !== row["checksum"])
    throw new Error(`${DAMAGED} (the checksum of the outcome of run ${outcome.run} does not match)`);
  return outcome;
}

function checksumOfOutcome({ run, tenant, traceId, version, state, expiresAt }: StoredOutcome): number {
  return crc32(`${run} ${version} ${expiresAt} ${tenant} ${traceId} ${state}`);
}

/** Computes a checksum of an entry: SQLite detects broken pages, not changed content. */
function checksumOf({ run, tenant, traceId, status, version, state, dueAt }: Checkpoint): number {
  const rest = dueAt === undefined ? "" : ` ${dueAt}`;
  return crc32(`${run} ${version} ${status} ${tenant} ${traceId} ${state}${rest}`);
}

/** Part of a query that selects entries. */
interface Selection {
  /** Index to use: without statistics, SQLite would read the whole partition for its order. */
  readonly index: string;
  readonly condition: string;
  readonly values: readonly SqlValue[];
}

function selectionOf({ isAtRest, runs, tenant, traceIds, dueBy }: CheckpointFilter): Selection {
  const conditions: string[] = [];
  const values: SqlValue[] = [];
  if (isAtRest !== undefined) conditions.push(`AND due_at IS ${isAtRest ? "NOT NULL" : "NULL"}`);
  for (const [condition, value] of [
    ["run IN (SELECT value FROM json_each(?))", runs && JSON.stringify(runs)],
    ["tenant = ?", tenant === undefined ? undefined : toStorable(tenant)],
    ["trace_id IN (SELECT value FROM json_each(?))", traceIds && JSON.stringify(traceIds.map(toStorable))],
    ["due_at <= ?", dueBy],
  ] as const) {
    if (value === undefined) continue;
    conditions.push(`AND ${condition}`);
    values.push(value);
  }
  const isIndexed = runs === undefined && (isAtRest === true || dueBy !== undefined);
  let index = "";
  if (isIndexed && traceIds !== undefined) index = "INDEXED BY journal_entries_by_trace";
  else if (isIndexed && dueBy !== undefined) index = "INDEXED BY journal_entries_by_due";
  else if (isIndexed && tenant !== undefined) index = "INDEXED BY journal_entries_by_tenant";
  return { index, condition: conditions.join(" "), values };
}
