import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { DatabaseSync } from "node:sqlite";

/** Number of the tables' form: a database of another one is made anew. */
const FORM = 2;

const TABLES = `
  CREATE TABLE runs (
    key INTEGER PRIMARY KEY, flow TEXT NOT NULL, id TEXT NOT NULL, tenant TEXT NOT NULL, state TEXT NOT NULL,
    started_at REAL NOT NULL, thread TEXT, node TEXT, code TEXT, is_durable INTEGER NOT NULL, is_over INTEGER NOT NULL,
    is_lossy INTEGER NOT NULL, bytes INTEGER NOT NULL, summary TEXT NOT NULL, search TEXT NOT NULL,
    UNIQUE (flow, id, tenant)
  ) STRICT;
  CREATE INDEX runs_by_start ON runs (started_at DESC);
  CREATE INDEX runs_by_thread ON runs (thread);
  CREATE TABLE facts (
    run INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE, position INTEGER NOT NULL, items TEXT NOT NULL,
    PRIMARY KEY (run, position)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE threads (id TEXT PRIMARY KEY, flow TEXT NOT NULL, title TEXT NOT NULL, at REAL NOT NULL, memory TEXT) STRICT;
  CREATE TABLE turns (
    thread TEXT NOT NULL REFERENCES threads (id) ON DELETE CASCADE, turn INTEGER NOT NULL, run TEXT NOT NULL,
    at REAL NOT NULL, text TEXT NOT NULL, attachments TEXT NOT NULL, PRIMARY KEY (thread, turn)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE drafts (key TEXT PRIMARY KEY, value TEXT NOT NULL, at REAL NOT NULL) STRICT;
  PRAGMA user_version = ${FORM};
`;

/** Opens the database of a project in its folder `.penguiflow`, which keeps itself out of git. */
export function openDevStore(root: string): DatabaseSync {
  const folder = path.join(root, ".penguiflow");
  mkdirSync(folder, { recursive: true });
  const ignore = path.join(folder, ".gitignore");
  if (!existsSync(ignore)) writeFileSync(ignore, "*\n");
  const file = path.join(folder, "dev.db");
  const database = opened(file);
  if (database !== undefined) return database;
  // its contents are convenient, and no more: a damaged or older file is no reason not to start
  for (const ending of ["", "-wal", "-shm"]) rmSync(`${file}${ending}`, { force: true });
  return opened(file)!;
}

/** Opens a database; `undefined` if it is none, or of another form. */
function opened(file: string): DatabaseSync | undefined {
  const isNew = !existsSync(file);
  // loaded now: older versions of Node warn of it, which other commands need not
  const sqlite = process.getBuiltinModule("node:sqlite");
  const database = new sqlite.DatabaseSync(file, { enableForeignKeyConstraints: true, timeout: 3_000 });
  try {
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;");
    if (isNew) database.exec(TABLES);
    const { user_version: form } = database.prepare("PRAGMA user_version").get() as { readonly user_version: number };
    if (form === FORM) return database;
  } catch {
    // no database
  }
  database.close();
  return undefined;
}
