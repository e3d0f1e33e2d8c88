import { requireFunction, requireInteger, requireKnownKeys } from "../../foundation/options.ts";
import type { OutcomeStatus } from "../../message/outcome.ts";
import type { SimulateOptions } from "./simulate-options.ts";
import { SimulatedRun } from "./simulated-run.ts";

/** Statistics of a simulation without findings. */
export interface SimulationReport {
  readonly seeds: number;
  readonly requests: number;
  /** Number of handler calls. */
  readonly attempts: number;
  /** Number of requests by status. */
  readonly outcomes: Readonly<Partial<Record<OutcomeStatus, number>>>;
  /** Number of faults by kind. */
  readonly faults: Readonly<Record<string, number>>;
  /** Kinds of faults that could occur and did not: more seeds, or a flow that gives rise to them, would show them. */
  readonly neverOccurred: readonly string[];
  /** Number of crashes of a durable flow's process. */
  readonly crashes: number;
}

/** A seed under which a flow breaks a law, or the user's own check. */
export class SimulationError extends Error {
  /** Distinguishes the error in logs. */
  override readonly name = "SimulationError";
  /** Seed that reproduces the run: pass `seeds: [seed]`. */
  readonly seed: number;
  /** The violations, one line each, with the law. */
  readonly broken: readonly string[];
  /** The history of the run, one line per state change of a trace. */
  readonly records: readonly string[];

  constructor(run: { seed: number; broken: readonly string[]; records: readonly string[]; held: string }) {
    const { seed, broken, records, held } = run;
    super(
      [
        `Seed ${seed} breaks the flow; run it again with seeds: [${seed}]`,
        ...[...new Set(broken)].slice(0, SHOWN).map((line) => `  ${line}`),
        `The last of ${records.length} records:`,
        ...records.slice(-SHOWN).map((line) => `  ${line}`),
        "Contents of nodes and edges at that time:",
        `  ${(held || "nothing: all requests had ended").replaceAll("\n", "\n  ")}`,
      ].join("\n"),
    );
    this.seed = seed;
    this.broken = broken;
    this.records = records;
  }
}

const SHOWN = 20;

/**
 * Runs a flow many times under virtual time. Each seed determines the requests, the faults, and the order of all
 * concurrent events. Each step checks that the flow obeys the laws of the runtime, and the end that nothing remains of
 * any request. Handlers must wait only through `ctx` or the ports.
 *
 * @example
 * ```ts
 * await simulate({
 *   flow: (ports) => create(search.to(answer), { ...ports }),
 *   input: (random) => ({ text: `question ${Math.floor(random() * 10)}` }),
 * });
 * ```
 * @throws SimulationError at the first seed under which the flow breaks a law, or `check` throws
 * @throws TypeError, RangeError when an option is unknown or out of range
 */
export async function simulate<Input, Result, Resources = unknown>(
  options: SimulateOptions<Input, Result, Resources>,
): Promise<SimulationReport> {
  requireKnownKeys("simulate", options, [
    "flow",
    "input",
    "seeds",
    "requests",
    "resources",
    "faults",
    "answer",
    "signals",
    "onSeed",
    "check",
  ]);
  const { seeds = 100, requests = 10, faults = true, check, onSeed } = options;
  requireFunction("flow", options.flow);
  requireFunction("input", options.input);
  if (check !== undefined) requireFunction("check", check);
  if (onSeed !== undefined) requireFunction("onSeed", onSeed);
  if (options.answer !== undefined) requireFunction("answer", options.answer);
  requireInteger("requests", requests, 1);
  if (typeof seeds === "number") requireInteger("seeds", seeds, 1);
  else for (const seed of seeds) requireInteger("seeds", seed, 0);
  const list = typeof seeds === "number" ? Array.from({ length: seeds }, (_, index) => index + 1) : seeds;

  const play = (seed: number): Promise<SimulatedRun> =>
    SimulatedRun.play(options as unknown as SimulateOptions<unknown, unknown>, {
      seed,
      requests,
      faults,
      crashes: faults,
    });
  const sum = {
    seeds: 0,
    requests: 0,
    attempts: 0,
    crashes: 0,
    outcomes: new Map<string, number>(),
    faults: new Map<string, number>(),
    never: new Set<string>(),
  };
  for (const [index, seed] of list.entries()) {
    const run = await play(seed);
    const broken = [...run.broken];
    // a run that cannot be repeated cannot be investigated
    if (index === 0 || broken.length > 0) broken.push(...differences(run, await play(seed)));
    sum.seeds += 1;
    sum.requests += run.requests;
    sum.attempts += run.attempts;
    sum.crashes += run.crashes;
    add(sum.outcomes, run.outcomes);
    add(sum.faults, run.odds.faults);
    for (const kind of run.odds.neverOccurred) sum.never.add(kind);
    await onSeed?.({
      seed,
      done: index + 1,
      seeds: list.length,
      requests: run.requests,
      attempts: run.attempts,
      outcomes: Object.fromEntries(run.outcomes),
      crashes: run.crashes,
      faults: Object.fromEntries(run.odds.faults),
      neverOccurred: missing(sum),
      broken,
    });
    if (broken.length > 0) throw new SimulationError({ seed, broken, records: run.records, held: run.held });
  }
  const { seeds: played, requests: sent, attempts, crashes } = sum;
  return {
    seeds: played,
    requests: sent,
    attempts,
    crashes,
    outcomes: Object.fromEntries(sum.outcomes),
    faults: Object.fromEntries(sum.faults),
    neverOccurred: missing(sum),
  };
}

/** Returns the kinds of faults that did not occur under one seed, nor under another. */
function missing({ faults, never }: { faults: ReadonlyMap<string, number>; never: ReadonlySet<string> }): string[] {
  return [...never].filter((kind) => !faults.has(kind)).sort();
}

function differences(run: SimulatedRun, again: SimulatedRun): string[] {
  const parting = run.records.findIndex((line, index) => line !== again.records[index]);
  if (parting < 0 && run.records.length === again.records.length) return [];
  return [
    "L9: the same seed produces a different run: a handler uses time, randomness or I/O outside of ctx and the ports",
    `the first run continued with: ${run.records[parting] ?? "nothing"}`,
    `the second with:              ${again.records[parting] ?? "nothing"}`,
  ];
}

function add(counts: Map<string, number>, more: ReadonlyMap<string, number>): void {
  for (const [key, number] of more) counts.set(key, (counts.get(key) ?? 0) + number);
}
