import type { BackendFigures } from "penguiflow/adapter";
import type { Database } from "../database.ts";

const CHECKPOINT_TABLES = ["journal_entries", "journal_logs", "kept_outcomes"];

/**
 * Reads figures of the schema. Sizes and counts of rows are those of the server's statistics, which are a little late;
 * `liveBytes` is absent until the tables were analysed. Replicas are those that follow the server, and those whose slot
 * waits for them; a user that may not see them is told of none.
 */
export async function readFigures(
  database: Database,
  tables: string,
  schema: string,
  maxItems: number,
): Promise<BackendFigures> {
  const [row] = await database.query(
    `select
       (select coalesce(max(size), 0)::float8 / $2 from ${tables}.intake_heads) as intake_fill,
       (select n_live_tup::float8 from pg_stat_user_tables where schemaname = $1 and relname = 'results') as kept_results,
       (select sum(pg_total_relation_size(relid))::float8 from pg_stat_user_tables
        where schemaname = $1 and relname = any($3)) as checkpoint_bytes,
       (select sum(t.n_live_tup * (24 + w.width))::float8 from pg_stat_user_tables t join (
          select tablename, sum(avg_width) as width from pg_stats where schemaname = $1 group by tablename
        ) w on w.tablename = t.relname where t.schemaname = $1 and t.relname = any($3)) as live_bytes,
       (select count(*) filter (where state <> 'streaming')::float8 from pg_stat_replication)
         + (select count(*)::float8 from pg_replication_slots where slot_type = 'physical' and not active)
         as replicas_behind,
       (select coalesce(max(extract(epoch from replay_lag)), 0)::float8 * 1000 from pg_stat_replication)
         as replica_lag_ms`,
    [schema, maxItems, CHECKPOINT_TABLES],
  );
  const figure = (name: string): number | undefined => {
    const value = row?.[name];
    return typeof value === "number" ? value : undefined;
  };
  return {
    intakeFill: figure("intake_fill"),
    checkpointBytes: figure("checkpoint_bytes"),
    liveBytes: figure("live_bytes"),
    keptResults: figure("kept_results"),
    replicasBehind: figure("replicas_behind"),
    replicaLagMs: figure("replica_lag_ms"),
  };
}
