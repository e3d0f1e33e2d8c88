import type { RunView } from "@penguiflow/playground/protocol";
import { command } from "../command-line/command.ts";
import { JSON_FLAG, PROJECT_FLAG } from "../command-line/flags.ts";
import { instantOf } from "../command-line/instant.ts";
import { readStoredRun } from "../dev/runs/runs.ts";
import { runNamed, withDevRuns } from "../dev/store/with-dev-runs.ts";
import { Exit } from "../exit.ts";
import { counted, printJson, readable, table } from "../text.ts";

export const runsShow = command({
  name: "runs show",
  summary: "Shows a run that penguiflow dev has kept: its steps, and what it gave",
  words: [{ name: "run", help: "id of the run, or the beginning of it" }],
  flags: { project: PROJECT_FLAG, json: JSON_FLAG },
  examples: ["penguiflow runs show 3001f0ec"],
  exits: [Exit.UNKNOWN],
  run({ words: [id = ""], flags: { project, json }, io }) {
    const view = withDevRuns(io, project, (runs): Omit<RunView, "pauses"> => {
      const stored = runNamed(runs, id);
      return readStoredRun(stored, runs.facts(stored.key)).view();
    });
    if (json) {
      printJson(io, view);
      return Promise.resolve(Exit.OK);
    }
    const { flow, tenant, state, durationMs, steps, results, error, inputValue } = view;
    io.out(
      `${view.id} of ${flow}, tenant ${tenant}: ${state}${durationMs === undefined ? "" : ` in ${Math.round(durationMs)} ms`}\n`,
    );
    io.out(`\nInput\n${readable(inputValue)}\n`);
    const rows = steps.map((step) => {
      const { node, attempt, state: at, startedAt, endedAt } = step;
      const took = startedAt === undefined || endedAt === undefined ? "" : `${(endedAt - startedAt).toFixed(1)} ms`;
      return [[...step.path, node].join("/"), String(attempt), at, took, step.error?.message ?? ""];
    });
    io.out(`\n${table([["STEP", "ATTEMPT", "STATE", "TOOK", "ERROR"], ...rows])}`);
    for (const result of results) io.out(`\nResult\n${readable(result)}\n`);
    if (error !== undefined) io.out(`\nError\n${error.code}: ${error.message}\n`);
    return Promise.resolve(Exit.OK);
  },
});

export const runsPrune = command({
  name: "runs prune",
  summary: "Deletes ended runs that penguiflow dev has kept",
  words: [],
  flags: {
    before: {
      type: "string",
      value: "time",
      default: "7d",
      help: "those that began before: 15m, 2h, 7d ago, or a date",
    },
    project: PROJECT_FLAG,
    json: JSON_FLAG,
  },
  examples: ["penguiflow runs prune --before 1d"],
  exits: [Exit.UNKNOWN],
  run({ flags: { before, project, json }, io }) {
    const ageMs = Date.now() - instantOf("--before", before);
    const limits = { runs: Number.MAX_SAFE_INTEGER, bytes: Number.MAX_SAFE_INTEGER, ageMs };
    const deleted = withDevRuns(io, project, (runs) => runs.prune(limits, Date.now()));
    if (json) printJson(io, { deleted });
    else io.out(`${counted(deleted, "run")} deleted\n`);
    return Promise.resolve(Exit.OK);
  },
});
