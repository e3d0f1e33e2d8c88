// A line of nodes on a checkpoint store, for the subjects that differ only in its location.
import { fork } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { durable } from "penguiflow/durable";
import type { Flow, CheckpointStore, Message } from "../packages/core/src/index.ts";
import { core } from "./core.ts";
import type { RequestRig } from "./drive.ts";
import type { Payload } from "./envelope.ts";
import type { DurableRig, DurableSetup } from "./workloads/durable.ts";
import type { WaitingDurableRig, WaitingDurableSetup } from "./workloads/waiting-durable.ts";
import type { RunsRig, RunsSetup } from "./workloads/runs.ts";

/** An open checkpoint store. */
export interface Opened extends AsyncDisposable {
  readonly checkpoints: CheckpointStore;
}

/** Location of the checkpoint store of one run, never shared. */
export interface Place {
  /** Address by which {@link CheckpointStores.open} finds the checkpoint store, also in another process. */
  readonly address: string;
  readonly note: string;
  /** Whether each batch waits for a disk or a server. */
  readonly waits: boolean;
  /** Size on disk. */
  bytes(): Promise<number>;
  remove(): Promise<void>;
}

/** Checkpoint stores of one kind. */
export interface CheckpointStores {
  /** Creates a new place, or returns the reason why it cannot. */
  make(): Promise<Place | string>;
  open(address: string): Promise<Opened>;
}

type Line = Flow<Payload, Payload>;

const tenant = "bench";
const partition = "bench";
/** Short: before its measurement, a recovery waits for the lease of the killed process. */
const leaseMs = 2_000;

const nextTurn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** @param gate - promise that the last node waits for */
export function lineOf(
  { nodes, yields, tally }: Pick<DurableSetup, "nodes" | "yields" | "tally">,
  checkpoints?: CheckpointStore,
  gate?: Promise<void>,
): Line {
  const pass = async (message: Message<Payload>) => {
    tally.hops += 1;
    return message;
  };
  const yielding = async (message: Message<Payload>) => {
    tally.hops += 1;
    await nextTurn();
    return message;
  };
  const last = async (message: Message<Payload>) => {
    await gate;
    return await pass(message);
  };
  const handlers = Array.from({ length: nodes }, (_, index) =>
    gate !== undefined && index === nodes - 1 ? last : yields ? yielding : pass,
  );
  const chain = handlers.map((handler, index) => core.node(`n${index + 1}`, handler));
  const edges = chain.map((node, index) => node.to(...chain.slice(index + 1, index + 2)));
  if (checkpoints === undefined) return core.create(...edges);
  // while the gate is closed, edges and Rookery must hold more than their default capacity
  const results = { rookeryMaxSize: 1_000_000 };
  // revisions before flow.recovery have no limits, but the option itself
  const room = "recovery" in core.Flow.prototype ? { limits: results } : results;
  const roomy = gate === undefined ? {} : { queueMaxSize: 0, ...room };
  return core.create(...edges, { ...roomy, durability: durable({ checkpoints, partition, leaseMs }) });
}

/** Fetches the result of an emitted message, once it is accepted. */
async function taken(flow: Line, traceId: string): Promise<Payload> {
  const result = await flow.fetch({ traceId, tenant });
  if (result instanceof Error) throw result;
  return result.payload;
}

function requestsOf(flow: Line, ask: DurableSetup["ask"]): RequestRig<Payload>["request"] {
  if (ask === "call") return (payload) => flow.call(payload, { tenant });
  return async (payload) => await taken(flow, await flow.emit(payload, { tenant }));
}

/** Builds the line without a checkpoint store. */
export function inMemory({ ask, ...setup }: DurableSetup): DurableRig {
  const flow = lineOf(setup);
  const close = async () => {
    await flow.stop();
  };
  return {
    note: "the end of the process loses all",
    waits: false,
    start: async () => ({ request: requestsOf(flow.run(), ask), close }),
    close,
  };
}

/** Has a separate process accept traces, kills it, and resolves when its lease has ended. */
async function leaveUnfinished(subject: string, address: string, traces: number): Promise<void> {
  const child = fork(path.join(import.meta.dirname, "leave-unfinished.ts"), [subject, address, String(traces)], {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const ended = once(child, "exit");
  const accepted = await Promise.race([once(child, "message"), ended.then(() => undefined)]);
  if (accepted === undefined) throw new Error("Cannot leave traces unfinished: the process ended too early");
  child.kill("SIGKILL");
  await ended;
  await sleep(leaseMs + 100);
}

/** Runs in the process that is killed: accepts traces, which progress as far as the last node. */
export async function acceptUnfinished(
  checkpointStores: CheckpointStores,
  address: string,
  traces: number,
): Promise<void> {
  const { checkpoints } = await checkpointStores.open(address);
  const [nodes, tally] = [10, { hops: 0 }];
  const flow = lineOf({ nodes, yields: false, tally }, checkpoints, new Promise(() => {}));
  flow.run();
  const accept = async (id: number) => {
    await flow.emit({ id, text: "penguins" }, { tenant, traceId: `trace-${id}` });
  };
  const last = traces - 1;
  await eachInTurn(last, accept);
  while (tally.hops < last * (nodes - 1)) await nextTurn();
  // the batch with the last trace also has the final position of all the others
  await accept(last);
}

/** Runs `work` for each id, a thousand at once. */
async function eachInTurn(count: number, work: (id: number) => Promise<void>): Promise<void> {
  let next = 0;
  const client = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: 1_000 }, client));
}

/**
 * Creates a builder of the line on checkpoint stores of one kind. @param subject - name of the subject that exports
 * `checkpointStores`
 */
export function on(checkpointStores: CheckpointStores, subject: string) {
  return async ({ ask, ...setup }: DurableSetup): Promise<DurableRig | string> => {
    const place = await checkpointStores.make();
    if (typeof place === "string") return place;
    const toClose = new AsyncDisposableStack();
    toClose.defer(() => place.remove());
    let flow: Line | undefined;
    let opened: Opened | undefined;
    const run = async () => {
      opened = toClose.use(await checkpointStores.open(place.address));
      flow = lineOf(setup, opened.checkpoints);
      const running = flow.run();
      toClose.defer(async () => void (await running.stop()));
      return { running, recovery: await running.ready() };
    };
    return {
      note: place.note,
      waits: place.waits,
      async start() {
        const { running } = await run();
        return { request: requestsOf(running, ask), close: async () => {} };
      },
      async leftover() {
        await flow!.stop();
        const lease = await opened!.checkpoints.open({ partition, owner: "bench", leaseMs });
        let entries = 0;
        for await (const page of lease.read()) entries += page.length;
        const counts = await lease.counts();
        await lease.close();
        return { entries, counts };
      },
      bytes: place.bytes,
      async recover(traces) {
        await leaveUnfinished(subject, place.address, traces);
        const startedAt = performance.now();
        const { running, recovery } = await run();
        const recoveredMs = performance.now() - startedAt;
        const answers = new Map<number, Payload>();
        await eachInTurn(traces, async (id) => void answers.set(id, await taken(running, `trace-${id}`)));
        return { resumed: recovery.resumed, recoveredMs, finishedMs: performance.now() - startedAt, answers };
      },
      close: () => toClose.disposeAsync(),
    };
  };
}

/** Creates a builder of traces that wait on checkpoint stores of one kind. */
export function waitingOn(stores: CheckpointStores) {
  return async ({ unloadAfterMs }: WaitingDurableSetup): Promise<WaitingDurableRig | string> => {
    const place = await stores.make();
    if (typeof place === "string") return place;
    const toClose = new AsyncDisposableStack();
    toClose.defer(() => place.remove());
    const { checkpoints } = toClose.use(await stores.open(place.address));
    let unloaded = 0;
    const flowOf = (name: string, afterMs: number) => {
      const ask = core.payloadNode("ask", async (_: number, ctx) => await ctx.pause<number>({ reason: "which?" }));
      const flow = core.create(ask.to(), {
        middlewares: [(event) => void (event.type === "trace_unload" && (unloaded += 1))],
        durability: durable({ checkpoints, partition: name, unloadAfterMs: afterMs }),
      });
      flow.run();
      toClose.defer(async () => void (await flow.stop()));
      return flow;
    };
    let unloading = flowOf("unloading", unloadAfterMs);
    const keeping = flowOf("keeping", Number.POSITIVE_INFINITY);
    const begin = async (flow: typeof keeping, traces: number, nth: number): Promise<string[]> => {
      const tokens: string[] = [];
      await eachInTurn(traces, async (id) => {
        const outcome = await flow.outcome(id, { tenant });
        if (outcome.status !== "paused") throw new Error(`Wrong outcome: expected paused, got ${outcome.status}`);
        if (id % nth === 0) tokens.push(outcome.pauses[0]!.token);
      });
      return tokens;
    };
    return {
      note: place.note,
      async wait(traces, nth) {
        const wanted = unloaded + traces;
        const tokens = await begin(unloading, traces, nth);
        while (unloaded < wanted) await sleep(unloadAfterMs);
        return tokens;
      },
      waitInMemory: async (traces) => await begin(keeping, traces, 1),
      async resume(token, isInMemory, answer) {
        const outcome = await (isInMemory ? keeping : unloading).pauses.resume(token, answer, { tenant });
        return outcome.status === "completed" ? outcome.result : outcome.status;
      },
      async restart() {
        await unloading.stop();
        const startedAt = performance.now();
        unloading = flowOf("unloading", unloadAfterMs);
        await unloading.ready();
        return performance.now() - startedAt;
      },
      close: () => toClose.disposeAsync(),
    };
  };
}

/** Builds a flow of which each run has a partition of one checkpoint store in memory. */
export function manyRuns({ nodes }: RunsSetup): RunsRig {
  const checkpoints = new core.MemoryCheckpointStore();
  const chain = Array.from({ length: nodes }, (_, index) =>
    core.payloadNode(`n${index + 1}`, async (id: number) => id),
  );
  const flow = core.create(...chain.map((node, index) => node.to(...chain.slice(index + 1, index + 2))));
  const started: AsyncDisposable[] = [];
  return {
    async start(name) {
      const run = flow.start({ durability: durable({ checkpoints, partition: name }) });
      started.push(run);
      await run.ready();
      return { call: async (id) => await run.call(id) };
    },
    async close() {
      await Promise.all(started.map((run) => run[Symbol.asyncDispose]()));
    },
  };
}
