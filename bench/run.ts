// `npm run bench`: runs every subject on every workload, each run in a fresh process, and judges the bars.
import { mkdirSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { readCommandLine, refuse, wholeNumber } from "../scripts/command-line.ts";
import {
  checkpointStores,
  type Measurement,
  type Reply,
  subjectOf,
  takesPart,
  type Timing,
  type Workload,
} from "./contract.ts";
import { runFresh } from "./fresh-process.ts";
import { buildCore, installPeers } from "./install.ts";
import { writePage } from "./page.ts";
import { loadWorkloads, subjectNames } from "./registry.ts";
import { count, judge, sentence, table, type Row } from "./report.ts";
import { buildRevision, commitOf } from "./revision.ts";
import { linesOf, runVersus, type Versus, versusTable } from "./versus.ts";

const known = await loadWorkloads();
const families = [...new Set(known.map(({ family }) => family))];

const usage = `Usage: npm run bench -- [workload …] [--subject name …] [--quick] [--json] [--page]
       npm run bench -- --against revision [--pairs n] [workload …] [--subject name …] [--quick] [--json]

  workload    a workload, a family of them, or the beginning of their names; all when left out
  --subject   only this subject, repeatable; bars that need others are not judged
  --quick     one short run of each: a first look, not a verdict
  --json      writes the result as JSON to standard output, and everything else to standard error
  --page      writes docs/reference/benchmarks.md and its drawing anew; needs all workloads and subjects
  --against   builds another revision, runs PenguiFlow of both by turns and prints the ratios, without peers and bars;
              the features are left out unless they are named
  --pairs     runs of each build for a ratio, 7 when left out
  --traces    waiting traces of waiting-durable, 100000 when left out; its bar is to hold for a million

  families    ${families.join(", ")}
  workloads   ${known
    .map(({ name }) => name)
    .join(", ")
    .replaceAll(/(.{60,80}), /g, "$1,\n              ")}
  subjects    ${subjectNames().join(", ")}

The exit status is 1 when a bar is missed or a run failed, 2 when the command cannot be understood.`;

const calmShare = 0.7;
const calmTries = 3;
/** Bounds the repeats: on a machine that is never calm, they would go on for ever. */
let repeatsLeft = 30;

const runOnce = (subject: string, workload: string, wanted: Timing): Promise<Reply> =>
  runFresh({ subject, workload, timing: wanted, bench: import.meta.dirname, conditions });

/** Repeats a bar-relevant run that had to share its processor; keeps the least disturbed one, whatever its speed. */
async function runCalmly(subject: string, workload: Workload): Promise<Reply> {
  const shareOf = ({ result }: Reply) => (typeof result === "string" ? 1 : result.processorShare);
  const tries = roundsOf(workload, subject) > 1 ? calmTries : 1;
  let calmest = await runOnce(subject, workload.name, timing);
  for (let tried = 1; tried < tries && shareOf(calmest) < calmShare && repeatsLeft > 0; tried += 1) {
    repeatsLeft -= 1;
    const reply = await runOnce(subject, workload.name, timing);
    if (shareOf(reply) > shareOf(calmest)) calmest = reply;
  }
  return calmest;
}

/** Returns the number of rounds: one where no bar looks at the subject. */
function roundsOf({ bars }: Workload, subject: string): number {
  const judged = bars.some((bar) => subjectOf(bar) === subject || bar.than?.includes(subject));
  return judged ? rounds : 1;
}

/** Summarises a run in a few words. */
function brief({ figures, processorShare }: Measurement, { figures: [main] }: Workload): string {
  const disturbed =
    processorShare < calmShare ? `  disturbed: had ${Math.round(processorShare * 100)} % of a processor` : "";
  return `${count(figures[main.name]!).padStart(12)} ${main.name}${disturbed}`;
}

/** Runs the subjects in turns, A B C A B C, so that a slow minute of the machine affects them all. */
async function compare(workload: Workload): Promise<Row[]> {
  const taking = subjects.filter((subject) => takesPart(subject, workload));
  const rows = taking.map((subject): Row => {
    return { workload, subject, version: undefined, note: undefined, runs: [], cannot: undefined, failure: undefined };
  });
  for (let round = 1; round <= rounds; round += 1) {
    for (const row of rows.filter(({ subject }) => roundsOf(workload, subject) >= round)) {
      done += 1;
      if (row.failure !== undefined || row.cannot !== undefined) continue;
      const place = `${String(done).padStart(4)}/${planned}  ${workload.name.padEnd(24)} ${row.subject.padEnd(18)}`;
      try {
        const { version, note, result } = await runCalmly(row.subject, workload);
        [row.version, row.note] = [version, note];
        if (typeof result === "string") row.cannot = result;
        else row.runs.push(result);
        say(`${place} ${typeof result === "string" ? `${"–".padStart(12)} ${result}` : brief(result, workload)}`);
      } catch (error) {
        const { message, cause } = error as Error;
        row.failure = message;
        say(`${place} failed: ${message}\n${String(cause).trim()}`);
      }
    }
  }
  return rows;
}

/** Describes the machine and the build, and the caveats of the figures. */
function caveats(): string {
  const runs = rows.flatMap((row) => row.runs);
  const disturbed = runs.filter(({ processorShare }) => processorShare < calmShare).length;
  return [
    `Measured on ${new Date().toISOString().slice(0, 10)}: ${machine}.`,
    ...(values.quick === true ? ["One short run of each: a first look."] : []),
    ...(disturbed > 0
      ? [`Other programs disturbed ${disturbed} of ${runs.length} runs: these figures are rough.`]
      : []),
  ].join(" ");
}

const { values, positionals } = readCommandLine(
  usage,
  {
    quick: { type: "boolean" },
    json: { type: "boolean" },
    page: { type: "boolean" },
    against: { type: "string" },
    pairs: { type: "string" },
    subject: { type: "string", multiple: true },
    traces: { type: "string" },
  },
  true,
);
const isMeant = (word: string, { name, family }: Workload): boolean =>
  word === name || word === family || name.startsWith(`${word}-`);
const unknown = positionals.find((word) => !known.some((workload) => isMeant(word, workload)));
if (unknown !== undefined) refuse(`Cannot run workload "${unknown}": it does not exist`);
const stranger = values.subject?.find((name) => !subjectNames().includes(name));
if (stranger !== undefined) refuse(`Cannot run subject "${stranger}": it does not exist`);
const isPart = positionals.length > 0 || values.subject !== undefined;
if (values.page === true && isPart)
  refuse("Cannot write the page from some figures: leave out workloads and --subject");

if (values.against === undefined && values.pairs !== undefined) refuse("--pairs needs --against");
if (values.against !== undefined && values.page === true)
  refuse("Cannot write the page from --against: it compares with peers; leave --against out");
const pairs = wholeNumber("pairs", values.pairs ?? (values.quick === true ? "1" : "7"));
const traces = wholeNumber("traces", values.traces ?? "100000");
// each run has a process of its own
process.env["BENCH_TRACES"] = String(traces);
const ours = ["penguiflow", ...checkpointStores];
const notOurs = values.against === undefined ? undefined : values.subject?.find((name) => !ours.includes(name));
if (notOurs !== undefined) refuse(`"${notOurs}" is the same in each revision: --against compares ${ours.join(", ")}`);

const workloads = known.filter((workload) =>
  positionals.length === 0
    ? values.against === undefined || workload.family !== "features"
    : positionals.some((word) => isMeant(word, workload)),
);
const subjects = subjectNames().filter((name) => values.subject?.includes(name) ?? true);
// Below a second of warm-up the JIT still compiles the slower libraries while they are measured.
const [rounds, timing] =
  values.quick === true ? [1, { warmUpMs: 700, measureMs: 500 }] : [3, { warmUpMs: 1_200, measureMs: 800 }];
const say = values.json === true ? console.error : console.log;

if (values.against !== undefined) {
  try {
    commitOf(values.against);
  } catch (error) {
    refuse((error as Error).message);
  }
}
installPeers(say);
const isBuilt = buildCore(say);
process.env["BENCH_PENGUIFLOW"] = isBuilt ? "built" : "source";
// packages import one another by name, so an unbuilt workspace needs the source condition
const conditions = isBuilt ? [] : ["--conditions=@penguiflow/source"];

const machine = `Node ${process.versions.node}, ${os.availableParallelism()} × ${os.cpus()[0]?.model.trim() ?? "unknown processor"}`;

/** Writes all runs to a file, and to standard output on demand. */
function keep(result: object): void {
  const json = JSON.stringify(result, null, 2);
  if (values.json === true) console.log(json);
  const folder = path.join(import.meta.dirname, "results");
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, `${new Date().toISOString().replaceAll(/[:.]/g, "-")}.json`);
  writeFileSync(file, `${json}\n`);
  say(`All runs: ${path.relative(process.cwd(), file)}`);
}

if (values.against !== undefined) {
  try {
    await against(values.against);
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
  }
  process.exit();
}

/** Compares PenguiFlow of the working tree with another revision. */
async function against(rev: string): Promise<void> {
  if (!isBuilt) throw new Error(`Cannot compare with "${rev}": the packages here do not build`);
  const revision = buildRevision(rev, say);
  say(`${machine}; this working tree and ${revision.label} by turns, ${pairs} runs of each\n`);
  const all: Versus[] = [];
  for (const workload of workloads)
    for (const subject of ours)
      if (subjects.includes(subject) && takesPart(subject, workload))
        all.push(await runVersus(workload, subject, { revision, pairs, timing, conditions, say }));
  const shares = all.flatMap((versus) => versus.pairs.flatMap(({ now, before }) => [now, before]));
  const disturbed = shares.filter(({ processorShare }) => processorShare < calmShare).length;
  say(`\n${versusTable(all, revision.label)}\n`);
  say(
    `A ratio is the median over the pairs of how many times better this working tree is; the middle half is that of the pairs` +
      (disturbed === 0
        ? ""
        : `\n${disturbed} of ${shares.length} runs had less than ${calmShare * 100} % of a processor: trust processor time`),
  );
  keep({
    machine,
    timing,
    against: revision.label,
    comparisons: all.map((versus) => ({ ...versus, workload: versus.workload.name, figures: linesOf(versus) })),
  });
  process.exitCode = all.some(({ failed }) => failed) ? 1 : 0;
}

let done = 0;
const planned = workloads
  .flatMap((workload) =>
    subjects
      .filter((subject) => takesPart(subject, workload))
      .map((subject) => Math.min(rounds, roundsOf(workload, subject))),
  )
  .reduce((sum, one) => sum + one, 0);

say(`${machine}; penguiflow from its ${process.env["BENCH_PENGUIFLOW"]} files; ${planned} runs of about 3 s\n`);

const startedAt = performance.now();
const rows: Row[] = [];
for (const workload of workloads) rows.push(...(await compare(workload)));
const minutes = (performance.now() - startedAt) / 60_000;

const verdicts = judge(rows);
say(`\n${table(rows)}\n`);
for (const verdict of verdicts) {
  const { figures } = workloads.find(({ name }) => name === verdict.workload)!;
  say(sentence(verdict, verdict.bar.figure ?? figures[0].name));
}
const missed = verdicts.filter(({ passed }) => !passed);
const failures = rows.filter(({ failure }) => failure !== undefined);
const kept = `${verdicts.length - missed.length} of ${verdicts.length} bars reached`;
const wrong = failures.map(({ subject, workload }) => `; ${subject} failed in ${workload.name}`).join("");
const gaps =
  missed.length === 0 ? "" : `; missed in ${[...new Set(missed.map(({ workload }) => workload))].join(", ")}`;
say(`\n${kept}${gaps}${wrong}; ${minutes.toFixed(1)} minutes`);

const result = { machine, timing, rows: rows.map((row) => ({ ...row, workload: row.workload.name })), verdicts };
keep(result);
if (values.page === true) say(`Written: ${writePage(rows, verdicts, caveats()).join(", ")}`);

process.exitCode = missed.length + failures.length > 0 ? 1 : 0;
