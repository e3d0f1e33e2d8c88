import type { Retention } from "penguiflow";
import type { Database } from "./database.ts";

/** Traces removed per transaction. */
const AT_ONCE = 1_000;

/**
 * Removes traces and events beyond the limits; resolves to the number of traces removed. Skips rows locked by another
 * process, which saves to them or prunes them.
 *
 * @param schema - as it stands in a statement
 * @param now - epoch milliseconds
 */
export async function prune(database: Database, schema: string, retention: Retention, now: number): Promise<number> {
  await pruneEvents(database, schema, retention);
  return await pruneTraces(database, schema, retention, now);
}

async function pruneEvents(database: Database, schema: string, { maxEventsPerTrace }: Retention): Promise<void> {
  if (maxEventsPerTrace === undefined) return;
  for (;;) {
    const rows = await database.query(
      `with long as (
         select tenant, trace_id, id, last_event from ${schema}.traces where events > $1
         limit ${AT_ONCE} for update skip locked
       ), gone as (
         delete from ${schema}.events e using long l
         where e.tenant = l.tenant and e.trace = l.id and e.number <= l.last_event - $1
         returning l.tenant, l.trace_id, octet_length(e.payload) as bytes
       ), sums as (
         select tenant, trace_id, count(*) as events, sum(bytes) as bytes from gone group by tenant, trace_id
       )
       update ${schema}.traces t set events = t.events - s.events, bytes = t.bytes - s.bytes from sums s
       where t.tenant = s.tenant and t.trace_id = s.trace_id
       returning t.id`,
      [maxEventsPerTrace],
    );
    if (rows.length < AT_ONCE) return;
  }
}

async function pruneTraces(
  database: Database,
  schema: string,
  { maxAgeMs, maxTraces, maxBytes }: Retention,
  now: number,
): Promise<number> {
  if (maxAgeMs === undefined && maxTraces === undefined && maxBytes === undefined) return 0;
  const [newestToGo] = await database.query(
    `select last_at, id from (
       select last_at, id, row_number() over by_age as traces, sum(bytes) over by_age as bytes
       from ${schema}.traces window by_age as (order by last_at desc, id desc)
     ) as t
     where traces > $1::bigint or bytes > $2::bigint or last_at < $3::float8
     order by last_at desc, id desc limit 1`,
    [maxTraces, maxBytes, maxAgeMs === undefined ? undefined : now - maxAgeMs],
  );
  if (newestToGo === undefined) return 0;
  let total = 0;
  for (;;) {
    const found = await database.transaction(async (query) => {
      // Locks first, selects afterwards: only a later statement sees events committed in between.
      const traces = await query(
        `select tenant, trace_id, id from ${schema}.traces where (last_at, id) <= ($1::float8, $2::bigint)
         order by last_at, id limit ${AT_ONCE} for update skip locked`,
        [newestToGo["last_at"], newestToGo["id"]],
      );
      const [tenants, traceIds, ids] = ["tenant", "trace_id", "id"].map((column) => traces.map((row) => row[column]));
      for (const table of ["events", "bindings"]) {
        await query(
          `delete from ${schema}.${table} t using unnest($1::text[], $2::bigint[]) as gone (tenant, trace)
           where t.tenant = gone.tenant and t.trace = gone.trace`,
          [tenants, ids],
        );
      }
      await query(
        `delete from ${schema}.traces t using unnest($1::text[], $2::text[]) as gone (tenant, trace_id)
         where t.tenant = gone.tenant and t.trace_id = gone.trace_id`,
        [tenants, traceIds],
      );
      return traces.length;
    });
    total += found;
    if (found < AT_ONCE) return total;
  }
}
