// Runs a durable flow in a process that is killed again and again, at any instant: `npm run crash`, or `npm run crash
// -- --kills 20`. Checks that no accepted message is lost or delivered twice, and that no effect happens twice. With
// `--store postgres` the checkpoint store's server crashes, too. `--defect` plants a defect, which the run has to find.
// A seed plans the same jobs and instants again; the work in flight at an instant depends on the machine. What the flow
// has beside its main part is in crash/features, one file each. `--planner` runs a planner in place of the flow: what it
// does and how it is checked is in crash/planner.
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { seededRandom } from "penguiflow";
import { startServer } from "../packages/state-postgres/test-integration/own-server.ts";
import { readCommandLine, refuse, wholeNumber } from "./command-line.ts";
import { defectNames } from "./crash/defects.ts";
import { Evidence } from "./crash/evidence.ts";
import { Life, type LifeOptions } from "./crash/life.ts";
import type { Told } from "./crash/life-process.ts";
import { plannerDefectNames } from "./crash/planner/defects.ts";
import { PlannerEvidence } from "./crash/planner/evidence.ts";
import type { PlannerTold } from "./crash/planner/life-process.ts";
import type { Reports } from "./crash/reports.ts";
import type { Store } from "./crash/stores.ts";
import { conclude } from "./workspace.ts";

/** From this many kills on, each kind of interruption must have happened; otherwise the run proves nothing. */
const ENOUGH_KILLS = 50;
const PROGRESS_MS = 5_000;
/** Timeout after which a process that is not ready, or the last one, counts as hanging. */
const HANGING_MS = 120_000;

const usage = `Usage: npm run crash -- [--planner] [--kills n] [--seed n] [--store name] [--durability name] [--defect name]

  --planner     runs a planner with tools, people and a planner below, in place of a flow
  --kills       number of processes to kill, 1000 when left out
  --seed        plans the same jobs and instants again; another one each time when left out
  --store       sqlite or postgres, whose server crashes, too; sqlite when left out
  --durability  normal or full, of sqlite; normal when left out
  --defect      plants a defect, which the run has to find: ${defectNames.join(", ")};
                with --planner ${plannerDefectNames.join(", ")}

The exit status is 1 when something was lost or happened twice, or nothing is proven.`;

const { values: given } = readCommandLine(usage, {
  planner: { type: "boolean", default: false },
  kills: { type: "string", default: "1000" },
  seed: { type: "string", default: String(Date.now() % 1_000_000) },
  store: { type: "string", default: "sqlite" },
  durability: { type: "string" },
  defect: { type: "string" },
});

function requireOne(option: "store" | "durability" | "defect", known: readonly string[]): void {
  const value = given[option];
  if (value !== undefined && !known.includes(value))
    refuse(`Option "--${option}" must be one of "${known.join('", "')}": got "${value}"`);
}

const kills = wholeNumber("kills", given.kills);
const seed = wholeNumber("seed", given.seed);
requireOne("store", ["sqlite", "postgres"]);
requireOne("durability", ["normal", "full"]);
requireOne("defect", given.planner ? plannerDefectNames : defectNames);
if (given.store === "postgres" && given.durability !== undefined)
  refuse('Option "--durability" is for "--store sqlite" alone');

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const folder = mkdtempSync(path.join(os.tmpdir(), "penguiflow-crash-"));
await using server = given.store === "postgres" ? await startServer() : undefined;
if (given.store === "postgres" && server === undefined) {
  process.stdout.write("Skipped: PostgreSQL is not installed\n");
  rmSync(folder, { recursive: true });
  process.exit();
}
const store: Store =
  server === undefined
    ? {
        kind: "sqlite",
        file: path.join(folder, "checkpoints.db"),
        durability: (given.durability ?? "normal") as "normal" | "full",
      }
    : { kind: "postgres", url: server.url };
const effects = path.join(folder, "effects.db");
const subject = given.planner ? ofPlanner() : ofFlow();
const { evidence } = subject;
const figures = { kills: 0, "kills before it was ready": 0, "crashes of the server": 0 };
const startedAt = performance.now();

const seconds = (): number => (performance.now() - startedAt) / 1000;
const perSecond = (count: number): string => `${(count / seconds()).toFixed(1)}/s`;

/**
 * Plans when a process is killed, anywhere from opening its checkpoint store to full load: a number of milliseconds
 * after a number of reports. Progress at that instant then does not depend on the machine's speed.
 */
function instant(random: () => number): { readonly lines: number | undefined; readonly ms: number } {
  const kind = random();
  if (kind < 0.3) return { lines: undefined, ms: random() * 50 };
  return { lines: Math.floor(random() * (kind < 0.9 ? 60 : 600)), ms: random() * 10 };
}

/** Processes, and what they show. */
interface Subject {
  readonly evidence: Reports;
  begin(life: number): SomeLife;
  verify(): Promise<Readonly<Record<string, number>>>;
  /** Title of what `verify` counts. */
  readonly counted: string;
  /** Conclusion when there are no problems. */
  readonly proven: string;
}

type SomeLife = Pick<Life<Told>, "go" | "ready" | "told" | "kill" | "over">;

function ofFlow(): Subject {
  const seen = new Evidence(seed);
  return {
    evidence: seen,
    begin: (life) => new Life<Told>("life-process.ts", options(), folder, (told) => seen.take(told, life)),
    verify: () => seen.verify(store, effects),
    counted: "Messages committed, by node",
    proven: "accepted traces has its one end, nothing was delivered or done twice, the checkpoint store is empty",
  };
}

function ofPlanner(): Subject {
  const seen = new PlannerEvidence(seed);
  const program = "planner/life-process.ts";
  return {
    evidence: seen,
    begin: (life) => new Life<PlannerTold>(program, options(), folder, (told) => seen.take(told, life)),
    verify: async () => seen.verify(effects),
    counted: "Ends",
    proven:
      "accepted runs has its one end, every call its one result, no write began twice, what is unknown is told, and budgets are exact",
  };
}

function options(): LifeOptions & Readonly<Record<string, unknown>> {
  return { store, effects, seed, defect: given.defect };
}

/** Kills a process that hangs. */
async function within<Value>(life: SomeLife, until: Promise<Value>, what: string): Promise<Value> {
  const timer = setTimeout(() => {
    evidence.problem(`${what} takes more than ${HANGING_MS} ms`);
    life.kill();
  }, HANGING_MS);
  try {
    return await until;
  } finally {
    clearTimeout(timer);
  }
}

/** Runs and kills processes until the planned number is reached, then lets a last one run to its end. */
async function live(): Promise<void> {
  const random = seededRandom(seed);
  let next = subject.begin(1);
  let crashing: Promise<void> | undefined;
  for (let life = 1; life <= kills && evidence.problems.length === 0; life += 1) {
    const current = next;
    const { lines, ms } = instant(random);
    const crashMs = server !== undefined && random() < 0.4 ? random() * ms : ms;
    const outlivesCrash = random() < 0.5;
    await current.go({ life, isLast: false });
    // the next process starts while this one works
    next = subject.begin(life + 1);
    let isReady = false;
    const ready = current.ready().then(() => (isReady = true));
    if (lines !== undefined) {
      await within(current, ready, `The recovery of life ${life}`);
      await current.told(lines);
    }
    await sleep(crashMs);
    if (server !== undefined && crashMs < ms) {
      await crashing;
      figures["crashes of the server"] += 1;
      crashing = server.crash();
      if (outlivesCrash) await crashing;
    }
    await sleep(ms - crashMs);
    if (!isReady) figures["kills before it was ready"] += 1;
    current.kill();
    const end = await current.over;
    if (end !== "SIGKILL") evidence.problem(`Life ${life} ended by itself, with ${end}: see lives.log`);
    figures.kills += 1;
  }
  await crashing;
  await next.go({ life: figures.kills + 1, isLast: true });
  const end = await within(next, next.over, "The last life");
  if (end !== 0) evidence.problem(`The last life ended with ${end}: see lives.log`);
}

function print(title: string, rows: Readonly<Record<string, string | number>>): void {
  const lines = Object.entries(rows).map(([name, value]) => `  ${name.padEnd(28)}${value}\n`);
  process.stdout.write(`\n${title}\n${lines.join("")}`);
}

const again = Object.entries({ ...given, seed })
  .flatMap(([option, value]) => (value === false ? [] : value === true ? [`--${option}`] : [`--${option} ${value}`]))
  .join(" ");
process.stdout.write(`${again}\n`);
const progress = setInterval(() => {
  const { accepted, results } = evidence.figures;
  process.stdout.write(
    `${figures.kills} kills (${perSecond(figures.kills)}), ${accepted} accepted, ${results} results (${perSecond(results)})\n`,
  );
}, PROGRESS_MS);
try {
  await live();
} finally {
  clearInterval(progress);
}
const counts = await subject.verify();

print("Lives", { ...figures, "kills per second": perSecond(figures.kills), seconds: Math.round(seconds()) });
print("Seen", evidence.figures);
print(subject.counted, counts);
process.stdout.write("\n");
const { accepted, results, ...happened } = evidence.figures;
if (accepted === 0 || results === 0) evidence.problem("Nothing proven: no trace was accepted, or none has ended");
if (kills >= ENOUGH_KILLS)
  for (const [what, count] of Object.entries({ ...happened, ...figures })) {
    if (count === 0 && (server !== undefined || what !== "crashes of the server"))
      evidence.problem(`Nothing proven: ${what}: 0`);
  }
const { problems } = evidence;
if (problems.length === 0) rmSync(folder, { recursive: true });
conclude(
  problems.length === 0 ? [] : [...problems, `Evidence: ${folder}; run it again: npm run crash -- ${again}`],
  `All is well: each of ${accepted} ${subject.proven}`,
);
