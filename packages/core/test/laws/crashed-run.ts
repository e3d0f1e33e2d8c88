import assert from "node:assert/strict";
import { type EmitOptions, type Flow, FlowError, FlowErrorCode, seededRandom } from "penguiflow";
import { durable } from "penguiflow/durable";
import type { SimulatedRequest, SimulatedSignal, SimulateOptions } from "penguiflow/testing";
import { SimulatedRun } from "../../src/testing/simulation/simulated-run.ts";
import type { RunDigest } from "./run-digest.ts";
import { type RunSpec, type Shape, shapeOf } from "./run-spec.ts";
import { count, expectationOf, fallsBack, type Parcel } from "./script.ts";
import { type EffectLog, type HandlerLog, scriptedFlow } from "./scripted-flow.ts";
import type { RunReport } from "./seeded-run.ts";

/** The findings of a run in several processes. */
export interface CrashReport extends RunReport {
  readonly crashes: number;
}

/**
 * Runs a random flow as a durable one, with side effects and pauses, in processes that end at any time. Callers, faults
 * and schedule are those of `simulate`; the results of the requests are compared with the script.
 */
export async function crashedRun(spec: RunSpec, digest?: RunDigest): Promise<CrashReport> {
  const shape = shapeOf(spec);
  const { seed, allowCycles, queueMaxSize, streamWindow, rookeryMaxSize, emitErrorsToRookery, traces } = spec;
  const effects: EffectLog = { done: new Map() };
  const logs: HandlerLog[] = [];
  const hasFaults = seed % 2 === 0;
  const options: SimulateOptions<unknown, unknown> = {
    flow(given, tools) {
      const ports = digest?.observed(given) ?? given;
      const checkpoints = digest?.checkpoints(tools.checkpoints) ?? tools.checkpoints;
      const { flow, agent, log } = scriptedFlow(
        shape,
        { clock: ports.clock },
        {
          ...ports,
          allowCycles,
          queueMaxSize,
          maxTraces: spec.limits?.maxTraces ?? 0,
          streamWindow,
          // the logs of all traces are there at the end, for the laws
          limits: { rookeryMaxSize, maxKeptLogs: 100 },
          emitErrorsToRookery,
          graceMs: 50,
          durability: durable({ checkpoints, unloadAfterMs: unloadAfterMsOf(seed) }),
        },
        effects,
      );
      logs.push(log);
      agent.run();
      const called = digest?.callers(flow) ?? flow;
      const exclusive = spec.limits?.isExclusive === true ? { exclusive: "k" } : {};
      return withOptions(called, { ...exclusive, ...(spec.budget === undefined ? {} : { budget: spec.budget }) });
    },
    input: (_random, index): Parcel => ({
      id: `t${index}`,
      fuel: (traces[index % traces.length] as { fuel: number }).fuel,
    }),
    answer: ({ reason }) => reason,
    ...(spec.hasSignals === true ? { signals: signalsOf } : {}),
    check(requests) {
      for (const request of requests) checkRequest(shape, request, hasFaults);
      for (const [key, times] of effects.done) assert.equal(times, 1, `L10: effect ${key} took place ${times} times`);
    },
  };
  const run = await SimulatedRun.play(options, { seed, requests: traces.length, faults: hasFaults, crashes: true });
  const faults = new Map(run.odds.faults);
  for (const log of logs) for (const [kind, times] of log.faults) count(faults, kind, times);
  return {
    broken: [...run.broken, ...logs.flatMap(({ problems }) => problems)],
    lines: run.records,
    held: run.held,
    statuses: run.outcomes,
    faults,
    messages: run.attempts,
    crashes: run.crashes,
  };
}

/** Returns when the traces of a seed that rest leave memory. */
function unloadAfterMsOf(seed: number): number {
  const times = [1, 1, 1, 5, 50, 1_000, Number.POSITIVE_INFINITY];
  return times[Math.floor(seededRandom(seed ^ 0x5bd1e995)() * times.length)] as number;
}

const BEGINNING: ReadonlySet<string | symbol> = new Set(["accept", "call", "outcome", "stream", "emit", "emitNowait"]);

/** Draws the signals for a request. */
function signalsOf(random: () => number, index: number): SimulatedSignal[] {
  return Array.from({ length: Math.floor(random() * 5) }, (_, number) => ({
    name: random() < 0.7 ? "word" : "turn",
    value: { to: `t${index}`, number },
  }));
}

/** Begins each trace with further options. */
function withOptions(flow: Flow<unknown, unknown>, more: EmitOptions): Flow<unknown, unknown> {
  if (Object.keys(more).length === 0) return flow;
  return new Proxy(flow, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      return (input: unknown, options: object, ...rest: unknown[]): unknown =>
        value.apply(target, [input, BEGINNING.has(name) ? { ...options, ...more } : options, ...rest]);
    },
  });
}

/**
 * Checks that a completed request did what the script says, in any number of processes, and that any other has a
 * reason.
 */
function checkRequest(shape: Shape, request: SimulatedRequest<unknown, unknown>, hasFaults: boolean): void {
  if (!shape.isExact) return;
  const { status, results, traceId, error } = request;
  const first = shape.entries.map((place) => ({ place, parcel: request.input as Parcel }));
  const expected = expectationOf(shape, first);
  // a fault, a timeout that a crash or a slow store brings about, or an unanswered read may be replaced by a fallback
  const mayFallBack = shape.nodes.some((_, place) => fallsBack(shape, place));
  if (mayFallBack && (status === "completed" || status === "empty")) return;
  if (status === "completed" || status === "empty") {
    const wanted = [...expected.results].flatMap(([id, times]) => Array.from({ length: times }, () => id));
    const got = results.map((result) => (result as Parcel).id);
    assert.deepEqual(got.sort(), wanted.sort(), `L10: results of ${traceId}`);
    return;
  }
  const hasTimeouts = shape.nodes.some(({ timeoutMs }) => timeoutMs !== undefined);
  const isDeadlock = error?.code === "DEADLOCK" && shape.hasRings;
  assert.ok(
    hasFaults ||
      hasTimeouts ||
      (shape.budget !== undefined && status === "exhausted") ||
      isDeadlock ||
      isUnread(error) ||
      expected.endings.has(status as "failed" | "exhausted"),
    `L2: ${traceId} is ${status} without a reason: ${error?.code} ${error?.message}`,
  );
}

/** Whether a handler has failed because the disk did not answer what it has read. */
function isUnread(error: unknown): boolean {
  if (!(error instanceof FlowError)) return false;
  return error.code === FlowErrorCode.CHECKPOINT_FAILED || isUnread(error.cause);
}
