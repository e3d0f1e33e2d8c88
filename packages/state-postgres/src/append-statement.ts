import type { CheckpointBatch, LeaseRequest } from "penguiflow";
import { toStorable } from "penguiflow/adapter";
import { numberArray, textArray } from "./text-array.ts";
import { toJsonText, toKey } from "./text-key.ts";

/** A batch of a partition that is to be stored. */
export interface Append {
  /** Id of the partition. */
  readonly id: string;
  readonly fencingToken: number;
  readonly expectedSequence: number;
  readonly mark: string;
  readonly lease: Pick<LeaseRequest, "leaseMs" | "under">;
  readonly batch: CheckpointBatch;
  /** Whether the partition may have rows of logs. */
  readonly hasLogs: boolean;
  /** Characters of its states. */
  readonly length: number;
}

/** Rows of one kind, each with the place of its partition among the appends, from 1. */
type Placed<Row> = readonly (Row & { readonly place: number })[];

/**
 * Returns the one statement that stores batches of different partitions, and its parameters. It returns the places of
 * those that it stores. Each change of a batch depends on the row of its partition: all of them apply or none. What no
 * batch has is left out.
 */
export function appendStatement(tables: string, appends: readonly Append[]): { text: string; values: unknown[] } {
  const values: unknown[] = [];
  /** Returns arrays as parameters. */
  const bind = (arrays: readonly (readonly [type: string, array: unknown])[]): string =>
    arrays.map(([type, array]) => `$${values.push(array)}::${type}[]`).join(", ");
  const placesOf = <Row>(rows: Placed<Row>) => ["int", numberArray(rows.map(({ place }) => place))] as const;
  const parts: string[] = [
    `with wanted as materialized (
       select * from unnest(${bind([
         ["uuid", appends.map(({ id }) => id)],
         ["bigint", numberArray(appends.map(({ fencingToken }) => fencingToken))],
         ["bigint", numberArray(appends.map(({ expectedSequence }) => expectedSequence))],
         ["uuid", appends.map(({ mark }) => mark)],
         ["float8", numberArray(appends.map(({ lease }) => lease.leaseMs))],
         ["uuid", appends.map(({ lease }) => lease.under ?? null)],
       ])}) with ordinality as w (id, epoch, sequence, mark, lease_ms, under, place)
     ), claim as materialized (
       update ${tables}.journal_partitions p set sequence = p.sequence + 1, mark = w.mark,
         claim_ends_at = case when w.under is null
           then clock_timestamp() + w.lease_ms * interval '1 millisecond' else p.claim_ends_at end,
         lease = case when w.under is not null and p.claim_ends_at > to_timestamp(0) then w.under
           when w.under is null then p.lease end
       from wanted w where p.id = w.id and p.epoch = w.epoch and p.sequence = w.sequence
       returning p.id, w.place
     )`,
  ];
  /** Adds a part about the rows of a kind, with `u` in the place of rows with the partition's id before their columns. */
  const add = <Row>(
    name: string,
    rows: Placed<Row>,
    arrays: readonly (readonly [type: string, column: string, array: unknown])[],
    statement: (u: string) => string,
  ): void => {
    if (rows.length === 0) return;
    const columns = arrays.map(([, column]) => column).join(", ");
    const bound = bind([placesOf(rows), ...arrays.map(([type, , array]) => [type, array] as const)]);
    const u = `(select claim.id as partition, u.* from unnest(${bound}) as u (place, ${columns})
         join claim on claim.place = u.place)`;
    parts.push(`${name} as (${statement(u)})`);
  };
  const each = <Row extends object>(rowsOf: (append: Append) => Iterable<Row>): (Row & { place: number })[] =>
    appends.flatMap((append, index) => [...rowsOf(append)].map((row) => ({ ...row, place: index + 1 })));
  const runsOf = (rows: readonly { readonly run: number }[]) =>
    ["bigint", "run", numberArray(rows.map(({ run }) => run))] as const;

  const removed = each(({ batch }) => batch.remove.map((run) => ({ run })));
  // names the partition of each, because without statistics the server would scan all of it
  add(
    "removed",
    removed,
    [runsOf(removed)],
    (u) => `delete from ${tables}.journal_entries e using ${u} as gone
       where e.partition = gone.partition and e.run = gone.run`,
  );
  const entered = each(({ batch }) => entriesOf(batch).values());
  add(
    "entered",
    entered,
    [
      runsOf(entered),
      ["text", "tenant", textArray(entered.map(({ tenant }) => toStorable(tenant)))],
      ["text", "trace_id", textArray(entered.map(({ traceId }) => toStorable(traceId)))],
      ["text", "status", textArray(entered.map(({ status }) => status))],
      ["int", "version", numberArray(entered.map(({ version }) => version))],
      ["text", "state", textArray(entered.map(({ state }) => toJsonText(state)))],
      ["float8", "due_at", numberArray(entered.map(({ dueAt }) => dueAt ?? null))],
    ],
    (u) => `insert into ${tables}.journal_entries (partition, run, tenant, trace_id, status, version, state, due_at)
       select partition, run, tenant, trace_id, status, version, state, due_at from ${u} as n
       on conflict (partition, run) do update set
         tenant = excluded.tenant, trace_id = excluded.trace_id, status = excluded.status,
         version = excluded.version, state = excluded.state, due_at = excluded.due_at`,
  );
  const candidates = each((append) => (append.hasLogs ? unloggedRunsOf(append.batch) : []));
  add(
    "unlogged",
    candidates,
    [
      runsOf(candidates),
      ["boolean", "is_removed", candidates.map(({ isRemoved }) => isRemoved)],
      ["boolean", "is_forgotten", candidates.map(({ isForgotten }) => isForgotten)],
    ],
    (u) => `delete from ${tables}.journal_logs l using ${u} as gone
       where l.partition = gone.partition and l.run = gone.run
         and (gone.is_removed or not exists (select from ${tables}.journal_entries e
           where e.partition = gone.partition and e.run = gone.run))
         and (gone.is_forgotten or not exists (select from ${tables}.kept_outcomes o
           where o.partition = gone.partition and o.run = gone.run))`,
  );
  const logged = each(({ batch }) => logRowsOf(batch));
  add(
    "logged",
    logged,
    [
      runsOf(logged),
      ["bigint", "at", numberArray(logged.map(({ at }) => at))],
      ["text", "items", textArray(logged.map(({ items }) => toJsonText(items)))],
    ],
    (u) => `insert into ${tables}.journal_logs (partition, run, at, items)
       select partition, run, at, items from ${u} as n
       on conflict (partition, run, at) do update set items = excluded.items`,
  );
  const counted = each(({ batch }) => [...batch.counts].map(([node, count]) => ({ node, count })));
  add(
    "counted",
    counted,
    [
      ["text", "key", textArray(counted.map(({ node }) => toKey(node)))],
      ["text", "node", textArray(counted.map(({ node }) => toStorable(node)))],
      ["bigint", "count", numberArray(counted.map(({ count }) => count))],
    ],
    (u) => `insert into ${tables}.journal_counts as c (partition, key, node, count)
       select partition, key, node, count from ${u} as n
       on conflict (partition, key) do update set count = c.count + excluded.count`,
  );
  const forgotten = each(({ batch }) => (batch.forget ?? []).map((run) => ({ run })));
  add(
    "forgotten",
    forgotten,
    [runsOf(forgotten)],
    (u) => `delete from ${tables}.kept_outcomes o using ${u} as gone
       where o.partition = gone.partition and o.run = gone.run`,
  );
  const kept = each(({ batch }) => outcomesOf(batch).values());
  add(
    "kept",
    kept,
    [
      runsOf(kept),
      ["text", "tenant_key", textArray(kept.map(({ tenant }) => toKey(tenant)))],
      ["text", "trace_key", textArray(kept.map(({ traceId }) => toKey(traceId)))],
      ["text", "tenant", textArray(kept.map(({ tenant }) => toStorable(tenant)))],
      ["text", "trace_id", textArray(kept.map(({ traceId }) => toStorable(traceId)))],
      ["int", "version", numberArray(kept.map(({ version }) => version))],
      ["text", "state", textArray(kept.map(({ state }) => toJsonText(state)))],
      ["float8", "expires_at", numberArray(kept.map(({ expiresAt }) => expiresAt))],
    ],
    (u) => `insert into ${tables}.kept_outcomes
         (partition, run, tenant_key, trace_key, tenant, trace_id, version, state, expires_at)
       select partition, run, tenant_key, trace_key, tenant, trace_id, version, state, expires_at from ${u} as n
       on conflict (partition, run) do update set
         tenant_key = excluded.tenant_key, trace_key = excluded.trace_key, tenant = excluded.tenant,
         trace_id = excluded.trace_id, version = excluded.version, state = excluded.state,
         expires_at = excluded.expires_at`,
  );
  const taken = each(({ batch }) => [...(batch.consumed ?? [])].map(([lane, sequence]) => ({ lane, sequence })));
  add(
    "taken",
    taken,
    [
      ["bigint", "lane", numberArray(taken.map(({ lane }) => lane))],
      ["bigint", "sequence", numberArray(taken.map(({ sequence }) => sequence))],
    ],
    (u) => `insert into ${tables}.journal_positions (partition, lane, sequence)
       select partition, lane, sequence from ${u} as n
       on conflict (partition, lane) do update set sequence = excluded.sequence`,
  );
  return { text: `${parts.join(", ")} select place from claim`, values };
}

/** Returns the entries that a batch leaves, by run: a statement may change a row only once. */
function entriesOf({ put, remove }: CheckpointBatch) {
  const entries = new Map(put.map((entry) => [entry.run, entry]));
  for (const run of remove) entries.delete(run);
  return entries;
}

/** Returns the outcomes that a batch leaves, by run. */
function outcomesOf({ keep = [], forget = [] }: CheckpointBatch) {
  const outcomes = new Map(keep.map((outcome) => [outcome.run, outcome]));
  for (const run of forget) outcomes.delete(run);
  return outcomes;
}

/** Returns the rows of logs that a batch leaves. */
function logRowsOf(batch: CheckpointBatch) {
  const { logs = [], remove } = batch;
  if (logs.length === 0) return [];
  const left = outcomesOf(batch);
  const gone = new Set(remove.filter((run) => !left.has(run)));
  const rows = new Map(logs.map((row) => [`${row.run} ${row.at}`, row]));
  return [...rows.values()].filter(({ run }) => !gone.has(run));
}

/** Returns runs whose log goes, unless a checkpoint or an outcome of an earlier batch is left of them. */
function unloggedRunsOf(batch: CheckpointBatch) {
  const { remove, forget = [] } = batch;
  const [entries, left] = [entriesOf(batch), outcomesOf(batch)];
  const [removed, forgotten] = [new Set(remove), new Set(forget)];
  const gone = [...new Set([...remove, ...forget])].filter((run) => !entries.has(run) && !left.has(run));
  return gone.map((run) => ({ run, isRemoved: removed.has(run), isForgotten: forgotten.has(run) }));
}
