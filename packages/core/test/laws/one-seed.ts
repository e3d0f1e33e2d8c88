import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { type CrashReport, crashedRun } from "./crashed-run.ts";
import { RunDigest } from "./run-digest.ts";
import { budgeted, limited, type RunSpec, runSpec, signalled } from "./run-spec.ts";
import { type RunReport, seededRun, story } from "./seeded-run.ts";
import { count } from "./script.ts";

/** The findings of a seed. */
export interface SeedReport {
  /** Broken laws, one line each. */
  readonly broken: readonly string[];
  /** Searches for a smaller graph that breaks a law, and returns a full report for the investigation. */
  readonly explain: () => Promise<string>;
  readonly messages: number;
  readonly faults: ReadonlyMap<string, number>;
  readonly statuses: ReadonlyMap<string, number>;
  /** Number of crashes of the durable run. */
  readonly crashes: number;
  /** Hash of everything its runs showed, if requested. */
  readonly digest: Uint8Array | undefined;
}

/** Time limit for shrinking a graph that breaks a law, in milliseconds. */
const SHRINK_MS = 10_000;

/** Adds what only some seeds have. */
function completed(seed: number, spec: RunSpec): RunSpec {
  return signalled(seed, budgeted(seed, limited(seed, spec)));
}

/** Returns the graph, the callers and the schedule of a seed. */
function specOf(seed: number): RunSpec {
  return completed(seed, fc.sample(runSpec, { seed, numRuns: 1 })[0] as RunSpec);
}

/**
 * Runs the graph of a seed before a good audience and a bad one, and durable in processes that crash. Every third seed
 * also runs without an audience, and durable once more.
 */
export async function oneSeed(seed: number, wantsDigest = false): Promise<SeedReport> {
  const spec = specOf(seed);
  const digests: RunDigest[] = [];
  const digestOf = (): RunDigest | undefined => {
    if (!wantsDigest) return undefined;
    const digest = new RunDigest();
    digests.push(digest);
    return digest;
  };
  const { reports, crashed, broken } = await brokenBy(spec, seed % 3 === 0, digestOf);
  const faults = new Map<string, number>();
  for (const report of [...reports, crashed]) for (const [kind, times] of report.faults) count(faults, kind, times);
  return {
    broken,
    explain: () => explain(seed, spec, worstOf([...reports, crashed]), broken),
    messages: reports.reduce((sum, { messages }) => sum + messages, crashed.messages),
    faults,
    statuses: (reports[0] as RunReport).statuses,
    crashes: crashed.crashes,
    digest: wantsDigest ? together(digests) : undefined,
  };
}

function together(digests: readonly RunDigest[]): Uint8Array {
  const whole = createHash("sha256");
  for (const { bytes } of digests) whole.update(bytes);
  return whole.digest();
}

/** Runs a graph before each audience and compares. Returns one line per broken law. */
async function brokenBy(
  spec: RunSpec,
  isThorough: boolean,
  digestOf: () => RunDigest | undefined = () => undefined,
): Promise<{ reports: RunReport[]; crashed: CrashReport; broken: string[] }> {
  const good = await seededRun(spec, "good", digestOf());
  const bad = await seededRun(spec, "bad", digestOf());
  const crashed = await crashedRun(spec, digestOf());
  const reports = isThorough ? [good, bad, await seededRun(spec, "none", digestOf())] : [good, bad];
  const broken = [...reports, crashed].flatMap((report) => report.broken);
  if (broken.length === 0 && !isTheSame(good, bad)) {
    const isSeeded = isTheSame(good, await seededRun(spec, "good"));
    broken.push(difference(isSeeded ? "L8: who looks on makes a difference" : OTHER_RUN, good, bad));
  }
  if (broken.length === 0 && isThorough) {
    const again = await crashedRun(spec);
    if (!isTheSame(crashed, again)) broken.push(difference(OTHER_RUN, crashed, again));
  }
  return { reports, crashed, broken };
}

const OTHER_RUN = "L9: the same seed produces a different run";

function difference(law: string, one: RunReport, other: RunReport): string {
  const parting = one.lines.findIndex((line, index) => line !== other.lines[index]);
  return `${law}, from record ${parting} on:\n  ${one.lines[parting]}\n  ${other.lines[parting]}`;
}

/** Returns the run to report: the first in which a law was broken. */
function worstOf(reports: readonly RunReport[]): RunReport {
  return (reports.find(({ broken }) => broken.length > 0) ?? reports[0]) as RunReport;
}

function isTheSame(one: RunReport, other: RunReport): boolean {
  return one.lines.length === other.lines.length && one.lines.every((line, index) => line === other.lines[index]);
}

async function explain(seed: number, spec: RunSpec, report: RunReport, broken: readonly string[]): Promise<string> {
  let smallest = { spec, report, broken };
  const breaks = fc.asyncProperty(runSpec, async (drawn) => {
    const candidate = completed(seed, drawn);
    const found = await brokenBy(candidate, seed % 3 === 0);
    if (found.broken.length > 0)
      smallest = { spec: candidate, report: worstOf([...found.reports, found.crashed]), broken: found.broken };
    return found.broken.length === 0;
  });
  await fc.check(breaks, { seed, numRuns: 1, plugins: [fc.interruptAfterTimeLimit(SHRINK_MS)] });
  return [
    `Seed ${seed} breaks a law:`,
    ...broken.slice(0, 5),
    "",
    "The smallest graph found that breaks one:",
    story(smallest.spec, { ...smallest.report, broken: smallest.broken }),
    "its spec:",
    JSON.stringify(smallest.spec),
  ].join("\n");
}
