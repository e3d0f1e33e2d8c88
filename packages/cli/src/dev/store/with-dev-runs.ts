import { existsSync } from "node:fs";
import path from "node:path";
import { CliError, Exit } from "../../exit.ts";
import type { Io } from "../../io.ts";
import { openDevStore } from "./dev-store.ts";
import { RunRows, type StoredRun } from "./run-rows.ts";

/**
 * Opens the runs that `penguiflow dev` has kept of a project, and closes them after use. The server may run meanwhile.
 *
 * @throws CliError `RUNS_MISSING`
 */
export function withDevRuns<Result>(io: Io, project: string, use: (runs: RunRows) => Result): Result {
  const root = path.resolve(io.cwd, project);
  if (!existsSync(path.join(root, ".penguiflow", "dev.db")))
    throw new CliError({
      code: "RUNS_MISSING",
      exit: Exit.UNKNOWN,
      message: `penguiflow dev has kept no runs in ${root}`,
      hint: "penguiflow dev keeps those that it sees",
    });
  const database = openDevStore(root);
  try {
    return use(new RunRows(database));
  } finally {
    database.close();
  }
}

/**
 * Finds a run by its id, or by the beginning of it.
 *
 * @throws CliError `RUN_UNKNOWN`, `RUN_AMBIGUOUS`
 */
export function runNamed(runs: RunRows, id: string): StoredRun {
  const found = runs.named(id);
  const [run] = found;
  if (run === undefined)
    throw new CliError({ code: "RUN_UNKNOWN", exit: Exit.UNKNOWN, message: `There is no run "${id}"` });
  if (found.length > 1)
    throw new CliError({
      code: "RUN_AMBIGUOUS",
      exit: Exit.UNKNOWN,
      message: `Several runs begin with "${id}": ${found.map(({ place }) => place.runId).join(", ")}`,
    });
  return run;
}
