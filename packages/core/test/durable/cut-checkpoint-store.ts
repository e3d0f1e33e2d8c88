import { expect } from "vitest";
import {
  type Durability,
  type EmitOptions,
  type ErrorPayload,
  FlowError,
  type Flow,
  type CheckpointStore,
  type CheckpointBatch,
  type LeaseRequest,
  type Checkpoint,
  type CheckpointPartition,
  MemoryCheckpointStore,
  type Message,
} from "penguiflow";
import { durable, type DurableOptions } from "penguiflow/durable";
import { TestClock } from "penguiflow/testing";
import { wrapPartition } from "../../src/testing/kit/wrap-partition.ts";
import { passing } from "../fixtures/quiet-flow.ts";
import { logbook, within } from "../fixtures/watched-flow.ts";

/**
 * The point at which a checkpoint store stops: before the batch with that number is stored, or after it but before the
 * caller is told.
 */
export interface Cut {
  readonly at: number;
  readonly side: "before" | "after";
}

/** A checkpoint store that works until its cut, as if the process had ended there. */
export class CutCheckpoints implements CheckpointStore {
  batches = 0;
  isCut = false;
  readonly #checkpoints: CheckpointStore;
  readonly #cut: Cut | undefined;

  constructor(checkpoints: CheckpointStore, cut?: Cut) {
    this.#checkpoints = checkpoints;
    this.#cut = cut;
  }

  /** Refuses to store anything from now on. */
  cut(): void {
    this.isCut = true;
  }

  async open(lease: LeaseRequest): Promise<CheckpointPartition> {
    const partition = await this.#checkpoints.open(lease);
    return wrapPartition(partition, {
      append: async (batch, sequence) => {
        const isHere = this.#cut?.at === this.batches;
        if (isHere && !this.isCut && this.#cut.side === "after") await partition.append(batch, sequence);
        if (isHere) this.isCut = true;
        if (this.isCut) throw new Error("the power is gone");
        this.batches += 1;
        return await partition.append(batch, sequence);
      },
    });
  }
}

/** A checkpoint store whose appends are blocked until they are released. */
export class HeldCheckpoints implements CheckpointStore {
  /** Number of pending appends. */
  waiting = 0;
  appended: CheckpointBatch[] = [];
  isHeld = false;
  readonly #checkpoints: CheckpointStore;
  readonly #held: ((failure: Error | undefined) => void)[] = [];

  constructor(checkpoints: CheckpointStore = new MemoryCheckpointStore()) {
    this.#checkpoints = checkpoints;
  }

  hold(): void {
    this.isHeld = true;
  }

  /** Settles the pending appends, with a failure if given, and blocks none from now on. */
  release(failure?: Error): void {
    this.isHeld = false;
    for (const go of this.#held.splice(0)) go(failure);
  }

  async open(lease: LeaseRequest): Promise<CheckpointPartition> {
    const partition = await this.#checkpoints.open(lease);
    return wrapPartition(partition, {
      append: async (batch, sequence) => {
        if (this.isHeld) {
          this.waiting += 1;
          const failure = await new Promise<Error | undefined>((resolve) => this.#held.push(resolve));
          this.waiting -= 1;
          if (failure !== undefined) throw failure;
        }
        this.appended.push(batch);
        return await partition.append(batch, sequence);
      },
    });
  }
}

/** Returns the entries of a checkpoint store and the number of completed messages per node. */
export async function contentsOf(
  checkpoints: CheckpointStore,
  name = "flow",
): Promise<{ entries: Checkpoint[]; counts: Record<string, number> }> {
  const partition = await checkpoints.open({ partition: name, owner: "the test", leaseMs: 1 });
  const entries: Checkpoint[] = [];
  for await (const page of partition.read()) entries.push(...page);
  const counts = Object.fromEntries(await partition.counts());
  await partition.close();
  return { entries, counts };
}

/** The environment of a process that runs a scenario's flow. */
export interface World {
  readonly clock: TestClock;
  readonly durability: Durability;
  readonly logger: ReturnType<typeof logbook>;
  /** External effects of handlers, across all processes. */
  readonly effects: string[];
}

/** A flow and its input. */
export interface Scenario {
  make(world: World): Flow<never, unknown, unknown, never>;
  readonly inputs: readonly { readonly traceId: string; readonly input: unknown; readonly options?: EmitOptions }[];
  readonly options?: Partial<DurableOptions>;
  /** Called repeatedly while the flow runs: it answers pauses. */
  tend?(flow: Flow<never, unknown, unknown, never>): Promise<unknown>;
  /** Milliseconds of downtime after a cut. */
  readonly downMs?: number;
}

/** The result of a scenario. */
export interface Told {
  /** Results of each trace, unordered, and the place and cause of its failure. */
  readonly ends: Record<string, unknown>;
  /** Completed messages by node. */
  readonly counts: Record<string, number>;
  readonly effects: readonly string[];
  readonly batches: number;
}

/** Runs a scenario in one process per cut, and one more without a cut. */
async function lived(scenario: Scenario, cuts: readonly Cut[]): Promise<Told> {
  const clock = new TestClock();
  const checkpoints = new MemoryCheckpointStore({ clock });
  const effects: string[] = [];
  const accepted = new Set<string>();
  let batches = 0;
  for (const cut of [...cuts, undefined]) {
    const stored = new Set((await contentsOf(checkpoints)).entries.map(({ traceId }) => traceId));
    const own = new CutCheckpoints(checkpoints, cut);
    const logger = logbook();
    const world = { clock, effects, logger, durability: durable({ checkpoints: own, ...scenario.options }) };
    const flow = scenario.make(world) as unknown as Flow<unknown, unknown>;
    flow.run();
    await within(2_000, flow.ready(), "ready");
    const sent = scenario.inputs
      .filter(({ traceId }) => !accepted.has(traceId) && !stored.has(traceId))
      .map(({ traceId, input, options }) =>
        flow.emit(input, { ...options, traceId }).then(
          () => accepted.add(traceId),
          (error: unknown) => expect(error).toBeInstanceOf(FlowError),
        ),
      );
    const ends: Record<string, unknown> = {};
    const ended = cut === undefined ? collect(flow, scenario, ends, Promise.all(sent)) : undefined;
    let isOver = false;
    void (ended ?? Promise.all(sent)).then(() => (isOver = true));
    const state = (): boolean => (cut === undefined ? isOver : !flow.isRunning);
    let [quiet, seen] = [0, 0];
    for (let step = 0; step < 400 && !state() && quiet < 30; step += 1) {
      await clock.advance(5);
      if (flow.isRunning) await scenario.tend?.(flow as never).catch(() => undefined);
      // the cut is never reached where it lies behind results that wait to be fetched
      quiet = cut === undefined || own.batches !== seen ? 0 : quiet + 1;
      seen = own.batches;
    }
    batches += own.batches;
    if (cut === undefined) {
      await within(2_000, ended as Promise<void>, `the end of ${JSON.stringify(cuts)}: ${JSON.stringify(ends)}`);
      await passing(clock, flow.stop(), 5);
      const { entries, counts } = await contentsOf(checkpoints);
      expect(entries.filter(({ status }) => status !== "failed")).toEqual([]);
      return { ends, counts, effects: effects.toSorted(), batches };
    }
    await passing(clock, flow.stop(), 5);
    await clock.advance(scenario.downMs ?? 0);
  }
  throw new Error("unreachable");
}

/** Fetches all remaining results of every trace. */
async function collect(
  flow: Flow<unknown, unknown>,
  { inputs }: Scenario,
  ends: Record<string, unknown>,
  sent: Promise<unknown>,
): Promise<void> {
  await sent;
  await Promise.all(
    inputs.map(async ({ traceId, options }) => {
      const results: unknown[] = [];
      const tenant = options?.tenant ?? "default";
      for (;;) {
        try {
          const item = (await flow.fetch({ traceId, tenant })) as Message;
          results.push(item.payload);
        } catch (error) {
          expect(error).toBeInstanceOf(FlowError);
          const failed = (await flow.recovery.unfinished()).filter((one) => one.traceId === traceId);
          ends[traceId] = {
            results: results.map((one) => JSON.stringify(one)).sort(),
            // the cause of an end is known only to its own process, unless the trace failed
            ...(failed.length === 0
              ? {}
              : { failed: failed.map(({ nodes, error: why }) => ({ nodes, why: whyOf(why) })) }),
          };
          return;
        }
      }
    }),
  );
}

/** Returns the parts of an error that do not depend on the process in which it was thrown. */
function whyOf(error: ErrorPayload | undefined): unknown {
  if (error === undefined) return undefined;
  const { stack: _, latencyMs: __, cause, ...rest } = error;
  return { ...rest, cause: whyOf(cause) };
}

/**
 * Compares a scenario with itself cut at every batch, before and after that is stored; some are cut once more soon
 * after.
 *
 * @returns the number of cuts
 */
export async function expectAlikeHoweverCut(scenario: Scenario): Promise<number> {
  const { batches, ...whole } = await lived(scenario, []);
  expect(batches).toBeGreaterThan(2);
  const all = Array.from({ length: batches }, (_, at) => [cutsAt(at, "before"), cutsAt(at, "after")]).flat();
  // each has its own clock and checkpoint store; running them side by side reduces waiting
  for (let first = 0; first < all.length; first += AT_ONCE) {
    await Promise.all(
      all.slice(first, first + AT_ONCE).map(async (cuts) => {
        const { batches: _, ...told } = await lived(scenario, cuts);
        expect({ cuts, ...told }).toEqual({ cuts, ...whole });
      }),
    );
  }
  return all.length;
}

const AT_ONCE = 8;

function cutsAt(at: number, side: Cut["side"]): Cut[] {
  const first = { at, side };
  return [[first], [first, { at: 0, side: "after" as const }], [first, { at: 1, side }]][at % 3] as Cut[];
}
