// `npm run bench`: runs every subject on every workload, each run in a fresh process, and judges the bars.
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import type { Reply, Timing, Workload } from "./contract.ts";
import { buildCore, installPeers } from "./install.ts";
import { loadWorkloads, subjectNames } from "./registry.ts";
import { count, judge, rateOf, sentence, table, type Row } from "./report.ts";

const usage = `Usage: npm run bench -- [workload …] [--subject name …] [--quick]

  workload    a name or a family, such as "linear-10" or "linear"; by default those that have bars
  --subject   only this subject, repeatable; bars that need others are not judged
  --quick     3 short runs of each instead of 5: a first look, not a verdict`;

const runTimeoutMs = 60_000;
const calmShare = 0.7;
const calmTries = 3;

/** Stops with what is wrong in the command line, and how it is used. */
function refuse(problem: string): never {
  console.error(`${problem}\n\n${usage}`);
  process.exit(2);
}

function readCommandLine() {
  const options = {
    quick: { type: "boolean" },
    subject: { type: "string", multiple: true },
    help: { type: "boolean" },
  } as const;
  try {
    return parseArgs({ options, allowPositionals: true });
  } catch (error) {
    return refuse((error as Error).message);
  }
}

/** One run in a process of its own. Rejects with what the process said when it failed. */
async function runOnce(subject: string, workload: string, timing: Timing): Promise<Reply> {
  const child = fork(path.join(import.meta.dirname, "one-run.ts"), [subject, workload, JSON.stringify(timing)], {
    execArgv: ["--expose-gc"],
    env: { ...process.env, NODE_ENV: "production" },
    silent: true,
    timeout: runTimeoutMs,
  });
  let reply: Reply | undefined;
  let said = "";
  child.on("message", (message) => (reply = message as Reply));
  child.stdout!.resume();
  child.stderr!.setEncoding("utf8").on("data", (text: string) => (said += text));
  const [status, signal] = (await once(child, "close")) as [number | null, string | null];
  if (reply !== undefined) return reply;
  const errorLine = said.split("\n").find((line) => /^\w*Error\b/.test(line));
  const ending =
    signal === null ? `exit status ${status}` : `ended by ${signal} after at most ${runTimeoutMs / 1_000} s`;
  throw new Error(errorLine ?? ending, { cause: said });
}

/** Repeats a run that had to share its processor with other programs, and keeps the calmest, whatever its speed. */
async function runCalmly(subject: string, workload: string, timing: Timing): Promise<Reply> {
  const shareOf = ({ measurement }: Reply) => measurement?.processorShare ?? 1;
  let calmest = await runOnce(subject, workload, timing);
  for (let tries = 1; tries < calmTries && shareOf(calmest) < calmShare; tries += 1) {
    const reply = await runOnce(subject, workload, timing);
    if (shareOf(reply) > shareOf(calmest)) calmest = reply;
  }
  return calmest;
}

/** Runs the subjects in turns, A B C A B C, so that a slow minute of the machine meets them all. */
async function compare(
  workload: Workload,
  subjects: readonly string[],
  rounds: number,
  timing: Timing,
): Promise<Row[]> {
  const { name, unit } = workload;
  const rows = subjects.map((subject): Row => ({
    workload: name,
    subject,
    unit,
    version: undefined,
    runs: [],
    failure: undefined,
  }));
  for (let round = 1; round <= rounds; round += 1) {
    for (const row of rows.filter(({ failure }) => failure === undefined)) {
      const place = `${name}  round ${round}/${rounds}  ${row.subject.padEnd(18)}`;
      try {
        const { version, measurement } = await runCalmly(row.subject, name, timing);
        row.version = version;
        if (measurement === undefined) {
          row.failure = "does not do this";
          continue;
        }
        row.runs.push(measurement);
        const share = measurement.processorShare;
        const disturbed = share < calmShare ? `  disturbed: had ${Math.round(share * 100)} % of a processor` : "";
        console.log(`${place}  ${count(rateOf(measurement)).padStart(12)} ${unit}/s${disturbed}`);
      } catch (error) {
        const { message, cause } = error as Error;
        row.failure = `failed: ${message}`;
        console.log(`${place}  ${row.failure}\n${String(cause).trim()}`);
      }
    }
  }
  return rows;
}

const { values, positionals } = readCommandLine();
if (values.help === true) {
  console.log(usage);
  process.exit();
}
const known = await loadWorkloads();
const unknown = positionals.find((word) => !known.some(({ name, family }) => word === name || word === family));
if (unknown !== undefined) {
  refuse(`There is no workload "${unknown}", only ${known.map(({ name }) => `"${name}"`).join(", ")}`);
}
const stranger = values.subject?.find((name) => !subjectNames().includes(name));
if (stranger !== undefined) {
  refuse(
    `There is no subject "${stranger}", only ${subjectNames()
      .map((name) => `"${name}"`)
      .join(", ")}`,
  );
}
const workloads = known.filter(({ name, family, bars }) =>
  positionals.length === 0 ? bars.length > 0 : positionals.includes(name) || positionals.includes(family),
);
const subjects = subjectNames().filter((name) => values.subject?.includes(name) ?? true);
// Below two seconds of warm-up the slower libraries are still being compiled while they are measured.
const [rounds, timing] =
  values.quick === true ? [3, { warmUpMs: 1_000, measureMs: 700 }] : [5, { warmUpMs: 2_000, measureMs: 1_500 }];

installPeers();
process.env["BENCH_PENGUIFLOW"] = buildCore() ? "built" : "source";

const machine = `Node ${process.versions.node}, ${os.availableParallelism()} × ${os.cpus()[0]?.model.trim() ?? "unknown processor"}`;
console.log(`${machine}; ${rounds} runs each, penguiflow from its ${process.env["BENCH_PENGUIFLOW"]} files\n`);

const rows: Row[] = [];
for (const workload of workloads) rows.push(...(await compare(workload, subjects, rounds, timing)));
const verdicts = judge(workloads, rows);
console.log(`\n${table(rows)}\n`);
for (const verdict of verdicts) console.log(sentence(verdict));

const results = path.join(import.meta.dirname, "results");
mkdirSync(results, { recursive: true });
const file = path.join(results, `${new Date().toISOString().replaceAll(/[:.]/g, "-")}.json`);
writeFileSync(file, `${JSON.stringify({ machine, rounds, timing, rows, verdicts }, null, 2)}\n`);
console.log(`\nAll runs: ${path.relative(process.cwd(), file)}`);

const failed = rows.some(({ failure }) => failure?.startsWith("failed") === true);
process.exitCode = failed || verdicts.some(({ passed }) => !passed) ? 1 : 0;
