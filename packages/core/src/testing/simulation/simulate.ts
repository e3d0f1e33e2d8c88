import type { FlowError } from "../../foundation/flow-error.ts";
import { requireFunction, requireInteger, requireKnownKeys } from "../../foundation/options.ts";
import type { Random } from "../../foundation/random.ts";
import type { Message } from "../../message/message.ts";
import type { OutcomeStatus, PauseTicket } from "../../message/outcome.ts";
import type { Journal } from "../../ports/journal.ts";
import type { RemoteTransport } from "../../ports/remote-transport.ts";
import type { FlowOptions } from "../../engine/flow-options.ts";
import type { Flow } from "../../flow/flow.ts";
import { SimulatedRun } from "./simulated-run.ts";

/**
 * What a simulated flow is run with, to be spread into the options of `create`: virtual time, a seeded scheduler
 * and random source, a recorder and an observer that check the laws, and a store and a bus that fail now and then.
 * Further flows, such as those behind a `LoopbackTransport`, take `clock`, `random` and `scheduler` alone.
 */
export type SimulationPorts = Required<
  Pick<
    FlowOptions,
    "clock" | "random" | "scheduler" | "recorder" | "middlewares" | "stateStore" | "messageBus" | "logger"
  >
>;

/** What else a simulated flow may be made from. */
export interface SimulationTools {
  readonly seed: number;
  /** Random numbers of the seed. */
  readonly random: Random;
  /** Has calls of a transport fail, lose their answers and be slow, as the seed says. */
  readonly faulty: (transport: RemoteTransport) => RemoteTransport;
  /**
   * For a durable flow: a journal on a slow disk. The process ends now and then when it should not, and another goes
   * on: `durability: durable({ journal })`.
   */
  readonly journal: Journal;
}

/** One request of a simulated run, and what became of it. */
export interface SimulatedRequest<Input, Result> {
  /** Its payload. */
  readonly input: Input;
  readonly tenant: string;
  readonly traceId: string;
  /** How its trace ended. */
  readonly status: OutcomeStatus;
  /** All that reached the Rookery, however its caller waited for it. */
  readonly results: readonly Result[];
  /** Why it did not complete. */
  readonly error: FlowError | undefined;
}

/** How {@link simulate} simulates. */
export interface SimulateOptions<Input, Result, Resources = unknown> {
  /**
   * Makes the flow: `(ports) => create(a.to(b), { ...ports })`. Called for each seed, and for each process that goes on
   * with a durable flow.
   */
  readonly flow: (ports: SimulationPorts, tools: SimulationTools) => Flow<Input, Result, Resources>;
  /** Makes the input of a request, from nothing but random numbers of the seed. */
  readonly input: (random: Random, index: number) => NoInfer<Input> | Message<NoInfer<Input>>;
  /** How many seeds are run, from 1 on, or a list of those to run. @defaultValue 100 */
  readonly seeds?: number | readonly number[];
  /** How many requests a run has at most. @defaultValue 10 */
  readonly requests?: number;
  /** What is given to `flow.run({ resources })`. @defaultValue none */
  readonly resources?: NoInfer<Resources>;
  /** Whether handlers, the store, the bus, callers, and processes with a journal do what they should not. @defaultValue true */
  readonly faults?: boolean;
  /** Answers a pause of a handler, from nothing but the pause and random numbers of its own. @defaultValue `true` each time */
  readonly answer?: (pause: PauseTicket, random: Random) => unknown;
  /** Says by throwing that what a run did is wrong. Called when all its requests have ended. @defaultValue none */
  readonly check?: (requests: readonly SimulatedRequest<NoInfer<Input>, NoInfer<Result>>[]) => void | Promise<void>;
}

/** What a simulation that found nothing has gone through. */
export interface SimulationReport {
  readonly seeds: number;
  readonly requests: number;
  /** How often a handler was called. */
  readonly attempts: number;
  /** How many requests ended how. */
  readonly outcomes: Readonly<Partial<Record<OutcomeStatus, number>>>;
  /** How many faults of which kind there were. */
  readonly faults: Readonly<Record<string, number>>;
  /** How often the process of a durable flow has ended in the middle of its work, and another has gone on. */
  readonly crashes: number;
}

/** A seed under which a flow breaks a law, or the user's own check. */
export class SimulationError extends Error {
  /** Tells the error apart in logs. */
  override readonly name = "SimulationError";
  /** Pass `seeds: [seed]` to run it again: it does the same. */
  readonly seed: number;
  /** What is wrong, one line each, with the law that says so. */
  readonly broken: readonly string[];
  /** What happened, one line for each change of a trace's state. */
  readonly records: readonly string[];

  constructor(run: { seed: number; broken: readonly string[]; records: readonly string[]; held: string }) {
    const { seed, broken, records, held } = run;
    super(
      [
        `Seed ${seed} breaks the flow; run it again with seeds: [${seed}]`,
        ...[...new Set(broken)].slice(0, SHOWN).map((line) => `  ${line}`),
        `The last of ${records.length} records:`,
        ...records.slice(-SHOWN).map((line) => `  ${line}`),
        "What nodes and edges held when it was noticed:",
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
 * Runs a flow many times under virtual time: each seed draws the requests, what goes wrong, and the order in which
 * all that could happen next does happen. Checks after each step that the flow keeps the laws of the runtime, and
 * at the end that nothing is left of any request. What handlers wait for must come from `ctx` or the ports.
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
    "check",
  ]);
  const { seeds = 100, requests = 10, faults = true, check } = options;
  requireFunction("flow", options.flow);
  requireFunction("input", options.input);
  if (check !== undefined) requireFunction("check", check);
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
  };
  for (const [index, seed] of list.entries()) {
    const run = await play(seed);
    const broken = [...run.broken];
    // a run that cannot be repeated cannot be looked into
    if (index === 0 || broken.length > 0) broken.push(...differences(run, await play(seed)));
    if (broken.length > 0) throw new SimulationError({ seed, broken, records: run.records, held: run.held });
    sum.seeds += 1;
    sum.requests += run.requests;
    sum.attempts += run.attempts;
    sum.crashes += run.crashes;
    add(sum.outcomes, run.outcomes);
    add(sum.faults, run.faults);
  }
  return { ...sum, outcomes: Object.fromEntries(sum.outcomes), faults: Object.fromEntries(sum.faults) };
}

function differences(run: SimulatedRun, again: SimulatedRun): string[] {
  const parting = run.records.findIndex((line, index) => line !== again.records[index]);
  if (parting < 0 && run.records.length === again.records.length) return [];
  return [
    "L9: the same seed gives another run: a handler uses time, chance or I/O that is not of its ctx or the ports",
    `the first run went on with: ${run.records[parting] ?? "nothing"}`,
    `the second with:            ${again.records[parting] ?? "nothing"}`,
  ];
}

function add(counts: Map<string, number>, more: ReadonlyMap<string, number>): void {
  for (const [key, number] of more) counts.set(key, (counts.get(key) ?? 0) + number);
}
