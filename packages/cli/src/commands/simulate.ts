import { globSync } from "node:fs";
import path from "node:path";
import { simulate as runSeeds, SimulationError, type SimulateOptions } from "penguiflow/testing";
import { command } from "../command-line/command.ts";
import { JSON_FLAG, PROJECT_FLAG } from "../command-line/flags.ts";
import { CliError, Exit } from "../exit.ts";
import { load } from "../project/load-project.ts";
import { counted, printJson, styled, table } from "../text.ts";

/** Seeds between two lines of progress, and two looks at Ctrl-C. */
const BATCH = 25;

export const simulate = command({
  name: "simulate",
  summary: "Runs a flow under virtual time with random inputs, faults and orders, and checks the laws of the runtime",
  about:
    "The file exports the options of simulate() as default: flow, input, and check if the results are to be checked.",
  words: [{ name: "file", isOptional: true, help: "the *.sim.ts file; may be left out where there is one" }],
  flags: {
    seeds: { type: "integer", least: 1, default: 100, help: "number of seeds" },
    from: { type: "integer", least: 0, default: 1, help: "first seed" },
    project: PROJECT_FLAG,
    json: JSON_FLAG,
  },
  examples: ["penguiflow simulate", "penguiflow simulate test/orders.sim.ts --seeds 1 --from 812"],
  exits: [Exit.FAILED, Exit.NO_FLOW, Exit.INTERRUPTED],
  async run({ words: [named], flags: { seeds, from, project, json }, io }) {
    const root = path.resolve(io.cwd, project);
    const file = named === undefined ? onlyFile(root) : path.resolve(io.cwd, named);
    const { default: options } = await load(file, root);
    if (typeof options !== "object" || options === null)
      throw new CliError({
        code: "SIMULATION_INVALID",
        exit: Exit.NO_FLOW,
        message: `${file} must export the options of simulate() as default`,
      });
    const sum = { seeds: 0, requests: 0, attempts: 0, crashes: 0 };
    const outcomes = new Map<string, number>();
    const faults = new Map<string, number>();
    for (let first = from; first < from + seeds; first += BATCH) {
      if (io.signal.aborted) return Exit.INTERRUPTED;
      const list = Array.from({ length: Math.min(BATCH, from + seeds - first) }, (_, at) => first + at);
      try {
        const report = await runSeeds({ ...(options as SimulateOptions<unknown, unknown>), seeds: list });
        for (const key of ["seeds", "requests", "attempts", "crashes"] as const) sum[key] += report[key];
        add(outcomes, report.outcomes);
        add(faults, report.faults);
      } catch (error) {
        if (!(error instanceof SimulationError)) throw error;
        const { seed, broken, records, message } = error;
        if (json) printJson(io, { seed, broken, records });
        else io.out(`${message}\n`);
        return Exit.FAILED;
      }
      if (!json) io.err(`${styled(io, "dim", `${sum.seeds} of ${seeds} seeds`)}\n`);
    }
    if (json) printJson(io, { ...sum, outcomes: Object.fromEntries(outcomes), faults: Object.fromEntries(faults) });
    else
      io.out(
        `${counted(sum.seeds, "seed")}, ${counted(sum.requests, "request")}, ${sum.attempts} handler calls, ${counted(sum.crashes, "crash", "crashes")}: every law holds\n${table([...outcomes, ...faults].map(([what, number]) => [`  ${what}`, String(number)]))}`,
      );
    return Exit.OK;
  },
});

function onlyFile(root: string): string {
  const found = globSync("**/*.sim.{ts,mts,js,mjs}", { cwd: root, exclude: (name) => name === "node_modules" });
  if (found.length === 1) return path.join(root, found[0]!);
  throw new CliError({
    code: found.length === 0 ? "SIMULATION_MISSING" : "SIMULATION_AMBIGUOUS",
    exit: found.length === 0 ? Exit.NO_FLOW : Exit.USAGE,
    message:
      found.length === 0
        ? `There is no *.sim.ts file in ${root}`
        : `There are ${found.length}: say which of ${found.join(", ")}`,
  });
}

function add(counts: Map<string, number>, more: Readonly<Partial<Record<string, number>>>): void {
  for (const [key, number = 0] of Object.entries(more)) counts.set(key, (counts.get(key) ?? 0) + number);
}
