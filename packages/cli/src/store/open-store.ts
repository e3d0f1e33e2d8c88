import { existsSync } from "node:fs";
import path from "node:path";
import type * as Postgres from "@penguiflow/state-postgres";
import type * as Sqlite from "@penguiflow/state-sqlite";
import type { StateStore } from "penguiflow";
import { usage } from "../command-line/parse.ts";
import { CliError, Exit } from "../exit.ts";
import type { Io } from "../io.ts";
import { hidden, packageOf } from "../package-of.ts";

type OpenStore = StateStore & AsyncDisposable;

/**
 * Opens the state store that an option or the environment names, and closes it after use: a SQLite file, or a server by
 * its `postgres://` URL. The store's package is that of the project.
 *
 * @throws CliError when none is named, the file or the package is missing, or the store does not open
 */
export async function withStore<Result>(
  io: Io,
  named: string | undefined,
  use: (store: StateStore) => Promise<Result>,
): Promise<Result> {
  const store = await openStore(io, named);
  try {
    return await use(store);
  } finally {
    await store[Symbol.asyncDispose]();
  }
}

async function openStore(io: Io, named: string | undefined): Promise<OpenStore> {
  const place = named ?? io.env["PENGUIFLOW_STORE"];
  if (place === undefined) throw usage("No store is named: use --store, or set PENGUIFLOW_STORE");
  if (/^postgres(?:ql)?:/.test(place)) {
    const { PostgresStateStore } = await packageOf<typeof Postgres>(io, "store", "@penguiflow/state-postgres");
    return await opened(hidden(place), PostgresStateStore.open({ connection: place, patienceMs: 3_000 }));
  }
  const file = path.resolve(io.cwd, place.replace(/^sqlite:(?:\/\/)?/, ""));
  // opening would create it
  if (!existsSync(file))
    throw new CliError({ code: "STORE_MISSING", exit: Exit.UNKNOWN, message: `There is no file ${file}` });
  const { SqliteStateStore } = await packageOf<typeof Sqlite>(io, "store", "@penguiflow/state-sqlite");
  return await opened(file, SqliteStateStore.open({ file }));
}

async function opened(place: string, opening: Promise<OpenStore>): Promise<OpenStore> {
  try {
    return await opening;
  } catch (error) {
    throw new CliError({
      code: "STORE_FAILED",
      exit: Exit.FAILED,
      message: `Cannot open the store ${place}: ${error instanceof Error ? error.message : String(error)}`,
      cause: error,
    });
  }
}
