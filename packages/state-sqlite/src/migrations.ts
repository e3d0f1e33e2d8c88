import { Database } from "./database.ts";
import type { ResolvedFileOptions } from "./options.ts";

/** Statements that migrate each version to the next. Published statements never change; new steps are appended. */
export type Migrations = readonly string[];

/**
 * Migrations, version by version. Ids are never reused, so that a cursor never refers to another row. The totals are
 * those of the traces, for limits checked on every save. Instants of a checkpoint store are epoch milliseconds.
 */
export const MIGRATIONS: Migrations = [
  `CREATE TABLE traces (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     tenant TEXT NOT NULL,
     trace_id TEXT NOT NULL,
     flow TEXT,
     state TEXT,
     started_at REAL,
     last_at REAL NOT NULL,
     node TEXT,
     error_code TEXT,
     events INTEGER NOT NULL DEFAULT 0,
     bytes INTEGER NOT NULL DEFAULT 0,
     UNIQUE (tenant, trace_id)
   ) STRICT;
   CREATE INDEX traces_by_start ON traces (tenant, started_at DESC, id DESC);
   CREATE INDEX traces_by_state ON traces (tenant, state, started_at DESC, id DESC);
   CREATE INDEX traces_by_error ON traces (tenant, error_code, started_at DESC, id DESC) WHERE error_code IS NOT NULL;
   CREATE INDEX traces_by_age ON traces (last_at, id);
   CREATE TABLE totals (traces INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT;
   INSERT INTO totals VALUES (0, 0);
   CREATE TABLE events (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     trace INTEGER NOT NULL,
     kind TEXT NOT NULL,
     at REAL NOT NULL,
     node TEXT,
     payload TEXT NOT NULL
   ) STRICT;
   CREATE INDEX events_by_trace ON events (trace, id);
   CREATE TABLE bindings (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     trace INTEGER NOT NULL,
     node TEXT NOT NULL,
     agent_url TEXT NOT NULL,
     task_id TEXT NOT NULL,
     context_id TEXT,
     UNIQUE (trace, node, agent_url, task_id)
   ) STRICT;`,
  `CREATE TABLE journal_partitions (
     id INTEGER PRIMARY KEY,
     name TEXT NOT NULL UNIQUE,
     public_id TEXT NOT NULL,
     epoch INTEGER NOT NULL,
     sequence INTEGER NOT NULL,
     owner TEXT NOT NULL,
     lease_ms REAL NOT NULL,
     ends_at REAL NOT NULL
   ) STRICT;
   CREATE TABLE journal_entries (
     partition INTEGER NOT NULL,
     run INTEGER NOT NULL,
     tenant TEXT NOT NULL,
     trace_id TEXT NOT NULL,
     status TEXT NOT NULL,
     version INTEGER NOT NULL,
     state TEXT NOT NULL,
     checksum INTEGER NOT NULL,
     PRIMARY KEY (partition, run)
   ) STRICT;
   CREATE TABLE journal_counts (
     partition INTEGER NOT NULL,
     node TEXT NOT NULL,
     count INTEGER NOT NULL,
     PRIMARY KEY (partition, node)
   ) STRICT, WITHOUT ROWID;`,
  `CREATE TABLE journal_logs (
     partition INTEGER NOT NULL,
     run INTEGER NOT NULL,
     at INTEGER NOT NULL,
     items TEXT NOT NULL,
     checksum INTEGER NOT NULL,
     PRIMARY KEY (partition, run, at)
   ) STRICT;
   CREATE TABLE logs (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     tenant TEXT NOT NULL,
     name TEXT NOT NULL,
     first INTEGER NOT NULL,
     length INTEGER NOT NULL,
     UNIQUE (tenant, name)
   ) STRICT;
   CREATE TABLE log_items (
     log INTEGER NOT NULL,
     at INTEGER NOT NULL,
     item TEXT NOT NULL,
     PRIMARY KEY (log, at)
   ) STRICT;
   -- an entry that is not at rest is in none of the indexes: storing it costs nothing more
   ALTER TABLE journal_entries ADD COLUMN due_at REAL;
   CREATE INDEX journal_entries_by_due ON journal_entries (partition, due_at) WHERE due_at IS NOT NULL;
   CREATE INDEX journal_entries_by_trace ON journal_entries (partition, trace_id, run) WHERE due_at IS NOT NULL;
   CREATE INDEX journal_entries_by_tenant ON journal_entries (partition, tenant, run) WHERE due_at IS NOT NULL;
   CREATE TABLE kept_outcomes (
     partition INTEGER NOT NULL,
     run INTEGER NOT NULL,
     tenant TEXT NOT NULL,
     trace_id TEXT NOT NULL,
     version INTEGER NOT NULL,
     state TEXT NOT NULL,
     expires_at REAL NOT NULL,
     checksum INTEGER NOT NULL,
     PRIMARY KEY (partition, run)
   ) STRICT;
   CREATE INDEX kept_outcomes_by_id ON kept_outcomes (partition, tenant, trace_id);
   CREATE INDEX kept_outcomes_by_expiry ON kept_outcomes (partition, expires_at, run);
   CREATE TABLE journal_positions (
     partition INTEGER NOT NULL,
     lane INTEGER NOT NULL,
     sequence INTEGER NOT NULL,
     PRIMARY KEY (partition, lane)
   ) STRICT, WITHOUT ROWID;`,
];

/**
 * Opens a file and migrates it to the latest version.
 *
 * @throws Error when it cannot be opened and written to, is of a version that is not known here, or not ours
 */
export async function openMigrated(options: ResolvedFileOptions): Promise<Database> {
  const database = await Database.open(options);
  try {
    await migrate(database);
    return database;
  } catch (error) {
    await database.close();
    throw error;
  }
}

/**
 * Migrates a file to the latest version, one process at a time.
 *
 * @throws Error when the file is of a version that is not known here, or not ours
 */
export async function migrate(database: Database, migrations: Migrations = MIGRATIONS): Promise<void> {
  await database.transaction("open", async () => {
    const version = versionOf(database);
    if (version > migrations.length)
      throw new Error(
        `its version is ${version}, written by a newer @penguiflow/state-sqlite; update this one, which supports versions up to ${migrations.length}`,
      );
    if (version === 0) database.exec("CREATE TABLE versions (version INTEGER PRIMARY KEY, since TEXT NOT NULL) STRICT");
    for (const [index, statements] of migrations.entries()) {
      if (index < version) continue;
      database.exec(statements);
      database.run("INSERT INTO versions VALUES (?, datetime())", index + 1);
    }
    // a no-op write, which fails on a read-only file
    database.run("UPDATE versions SET since = since WHERE version = 0");
  });
}

function versionOf(database: Database): number {
  const tables = database.all("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'");
  if (tables.length === 0) return 0;
  const names = new Set(tables.map(({ name }) => name));
  if (!["versions", "traces", "events"].every((name) => names.has(name)))
    throw new Error("it belongs to another application");
  return Number(database.get("SELECT max(version) AS version FROM versions")?.["version"]);
}
