import { type Bar, type Closable, clusterSubjects, type Measurement, type Timing, type Workload } from "../contract.ts";

/** Steps of a trace, each of which is stored before the next one counts as begun. */
export interface ClusterSetup {
  readonly steps: number;
}

/** Answer of a trace: the number of its request, and of the steps that it has passed. */
export interface Passed {
  readonly id: number;
  readonly steps: number;
}

/** A client in this process, a worker in another one, and a server with processes of its own. */
export interface ClusterRig extends Closable {
  /** Takes requests through all steps, all at once. */
  request(ids: readonly number[]): Promise<readonly Passed[]>;
  /** Processor time of the worker so far, in microseconds. */
  workerUs(): Promise<number>;
  /** Processor time of the server so far, in microseconds. */
  serverUs(): number;
}

/** Requests at once. */
const BURST = 500;
const STEPS = 10;
/** Times the warm-up and the measurement of other workloads: a server has caches to fill, and wakes now and then. */
const LONGER = 2;

interface Spent {
  readonly workerUs: number;
  readonly serverUs: number;
  readonly clientUs: number;
}

async function spentBy(rig: ClusterRig): Promise<Spent> {
  const { user, system } = process.cpuUsage();
  return { workerUs: await rig.workerUs(), serverUs: rig.serverUs(), clientUs: user + system };
}

/** Makes bursts of requests until worker and server have used so much processor time. */
async function stretch(rig: ClusterRig, firstId: number, wantedMs: number) {
  const before = await spentBy(rig);
  const startedAt = performance.now();
  for (let id = firstId; ;) {
    const ids = Array.from({ length: BURST }, (_, index) => id + index);
    const answers = await rig.request(ids);
    const right = new Set(answers.filter(({ steps }) => steps === STEPS).map((answer) => answer.id));
    const missing = ids.find((each) => !right.has(each));
    if (missing !== undefined) throw new Error(`Wrong answer to request "${missing}": ${JSON.stringify(answers)}`);
    id += BURST;
    const after = await spentBy(rig);
    const spent = {
      workerUs: after.workerUs - before.workerUs,
      serverUs: after.serverUs - before.serverUs,
      clientUs: after.clientUs - before.clientUs,
    };
    if (spent.workerUs + spent.serverUs < wantedMs * 1_000) continue;
    return { ...spent, requests: id - firstId, elapsedMs: performance.now() - startedAt };
  }
}

async function measure(rig: ClusterRig, { warmUpMs, measureMs }: Timing): Promise<Measurement> {
  const { requests: before } = await stretch(rig, 0, warmUpMs * LONGER);
  const { requests, elapsedMs, workerUs, serverUs, clientUs } = await stretch(rig, before, measureMs * LONGER);
  return {
    figures: {
      "traces/CPU s": (requests * 1e6) / (workerUs + serverUs),
      "worker µs": workerUs / requests,
      "server µs": serverUs / requests,
      "client µs": clientUs / requests,
      "traces/s": (requests * 1_000) / elapsedMs,
    },
    requests,
    // worker and server run in other processes, and this one waits for them
    processorShare: 1,
    processorUs: (workerUs + serverUs) / requests,
  };
}

/** The same durability: what is stored survives a loss of power, or the end of the processes. */
const bars: readonly Bar[] = [
  { of: "cluster-postgres", atLeast: 10, than: ["dbos", "pg-boss"] },
  { of: "cluster-nats", atLeast: 10, than: ["bullmq"] },
  { of: "checkpoints-nats", figure: "worker µs", atLeast: 1 / 1.2, than: ["checkpoints-sqlite"] },
  { of: "cluster-nats-3", figure: "server µs", atLeast: 1 / 5, than: ["cluster-nats"] },
  // intake and results take at most twice what the checkpoints take
  { of: "cluster-nats", figure: "server µs", atLeast: 1 / 3, than: ["checkpoints-nats"] },
  { of: "cluster-postgres", figure: "server µs", atLeast: 1 / 3, than: ["checkpoints-postgres"] },
];

export const workloads: readonly Workload<ClusterSetup, ClusterRig>[] = [
  {
    name: "cluster-10",
    family: "cluster",
    title: "traces of ten steps, 500 at once, by a worker process; processor time of worker and server for each",
    figures: [
      { name: "traces/CPU s", better: "more" },
      { name: "worker µs", better: "less" },
      { name: "server µs", better: "less" },
      { name: "client µs", better: "less" },
      { name: "traces/s", better: "more" },
    ],
    setup: { steps: STEPS },
    subjects: clusterSubjects,
    bars,
    measure,
  },
];
