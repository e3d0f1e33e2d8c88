// The flow of the cluster workloads on each backend of a cluster, and on the checkpoints of that backend alone.
import { setTimeout as sleep } from "node:timers/promises";
import { cluster } from "@penguiflow/cluster";
import type { ClusterBackend } from "penguiflow/adapter";
import { durable } from "penguiflow/durable";
import type { CheckpointStore, Flow } from "../packages/core/src/index.ts";
import { type BenchClient, rigOf, type Server, WorkerProcess } from "./cluster-rig.ts";
import type { Work } from "./cluster-worker.ts";
import { core } from "./core.ts";
import type { ClusterRig, Passed } from "./workloads/cluster.ts";
import type { MembersRig, MembersSetup } from "./workloads/members.ts";

/** A backend of a cluster, and its server. */
export interface Backend {
  readonly start: () => Promise<Server | string>;
  readonly open: (address: string) => Promise<ClusterBackend>;
}

/** Checkpoint stores alone, and their server. */
export interface Checkpoints {
  readonly start: () => Promise<Server | string>;
  readonly open: (address: string) => Promise<{ readonly checkpoints: CheckpointStore }>;
}

const STEPS = 10;
const NAME = "bench";
const PARTITIONS = 8;
const LEASE_MS = 30_000;

/** @param stepMs - milliseconds that each step waits for something */
function line(stepMs = 0): Flow<Passed, Passed> {
  const steps = Array.from({ length: STEPS }, (_, index) =>
    core.payloadNode(`step${index + 1}`, async ({ id, steps: passed }: Passed): Promise<Passed> => {
      if (stepMs > 0) await sleep(stepMs);
      return { id, steps: passed + 1 };
    }),
  );
  return core.createFrom<Passed, Passed>(
    steps.slice(1).map((step, index) => steps[index]!.to(step)),
    { name: "line" },
  );
}

async function clientAt({ open }: Backend, address: string, leaseMs: number) {
  const backend = await open(address);
  const client = cluster({ name: NAME, partitions: PARTITIONS, backend, leaseMs }).client();
  const close = async (): Promise<void> => {
    await client[Symbol.asyncDispose]();
    await backend[Symbol.asyncDispose]();
  };
  return { client, close };
}

/** Builds the rig of a subject on a cluster: the client calls, the worker runs the flow. */
export function clustered(subject: string, backend: Backend) {
  return async (): Promise<ClusterRig | string> =>
    await rigOf(subject, backend.start, async (address): Promise<BenchClient> => {
      const { client, close } = await clientAt(backend, address, LEASE_MS);
      const flow = line();
      return { request: async (ids) => await Promise.all(ids.map((id) => client.call(flow, { id, steps: 0 }))), close };
    });
}

/** The worker of such a subject. */
export function workerOn({ open }: Backend): Work {
  return async (address, { name, leaseMs, maxInFlight, stepMs }) => {
    const backend = await open(address);
    const app = cluster({ name: NAME, partitions: PARTITIONS, backend, leaseMs });
    const worker = app.worker({ name, maxInFlight }).run(line(stepMs));
    // it is at work once it has its partitions, or a share of them
    while (worker.held.length === 0) await sleep(20);
    return { drain: () => worker.drain() };
  };
}

/** Builds the rig whose members come and go. */
export function withMembers(subject: string, backend: Backend) {
  return async (setup: MembersSetup): Promise<MembersRig | string> => {
    const server = await backend.start();
    if (typeof server === "string") return server;
    await using opened = new AsyncDisposableStack();
    opened.use(server);
    const first = await clientAt(backend, server.address, setup.leaseMs);
    opened.defer(first.close);
    const second = await clientAt(backend, server.address, setup.leaseMs);
    opened.defer(second.close);
    const members: WorkerProcess[] = [];
    opened.defer(async () => void (await Promise.all(members.map((member) => member[Symbol.asyncDispose]()))));
    const rest = opened.move();
    const flow = line();
    return {
      note: server.note,
      async join(name) {
        const member = await WorkerProcess.begin(subject, server.address, { name, ...setup });
        members.push(member);
        return { drain: () => member.drain(), kill: () => member[Symbol.asyncDispose]() };
      },
      async call(id, tenant, isOther = false) {
        const { client } = isOther ? second : first;
        const { steps } = await client.call(flow, { id, steps: 0 }, { tenant });
        if (steps !== STEPS) throw new Error(`Wrong answer to request "${id}": ${steps} steps`);
      },
      close: async () => await rest[Symbol.asyncDispose](),
    };
  };
}

/** Builds the rig of a subject that stores checkpoints alone: there is neither intake nor result store. */
export function checkpointed(subject: string, { start }: Checkpoints) {
  return async (): Promise<ClusterRig | string> => await rigOf(subject, start);
}

/** The worker of such a subject: it calls the flow itself. */
export function checkpointsOn({ open }: Checkpoints): Work {
  return async (address, { leaseMs }) => {
    const { checkpoints } = await open(address);
    const flow = line();
    const runs = Array.from({ length: PARTITIONS }, (_, index) =>
      flow.start({ durability: durable({ checkpoints, partition: `p${index}`, leaseMs }) }),
    );
    await Promise.all(runs.map((run) => run.ready()));
    const request = async (ids: readonly number[]): Promise<readonly Passed[]> =>
      await Promise.all(ids.map((id) => runs[id % runs.length]!.call({ id, steps: 0 })));
    return { request };
  };
}
