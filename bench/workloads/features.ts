import type { Bar, Closable, Measurement, Workload } from "../contract.ts";
import { stretch, type Load, type RequestRig, type Tally } from "../drive.ts";
import type { Payload } from "../envelope.ts";
import { isOwnPayload } from "./linear.ts";

/** A line of `nodes` pass-through nodes, plain and with a feature, both in one process. */
export interface FeatureSetup {
  readonly feature: string;
  readonly nodes: number;
  readonly tally: Tally;
}

export interface FeatureRig extends Closable {
  readonly plain: RequestRig<Payload>;
  readonly featured: RequestRig<Payload>;
  /** Checks after the run that the feature was in use: an absent feature would look cheap. */
  check(): void;
}

/** Features that are configured and have no work to do. */
const idle = {
  retries: "retries on every node, nothing fails",
  "retry-filter": "retryIf on every node, nothing fails",
  "validation-off": "schemas on every node, switched off",
  registry: "a registry for nodes that do not validate",
  tenants: "weights for ten tenants, one is there",
  resources: "resources that no handler reads",
  "errors-to-rookery": "emitErrorsToRookery, nothing fails",
  join: "a join in the graph that no request reaches",
  router: "a router in the graph that no request reaches",
  loop: "a controller loop in the graph that no request reaches",
  playbook: "a playbook in the graph that no request reaches",
  "async-context": "async contexts are kept, and no AsyncLocalStorage is used",
} as const;

/** Features that work on every request or hop: their cost is shown, and only contexts have a bar. */
const busy = {
  contexts: "an AsyncLocalStorage context for every request, in both lines",
  "contexts-queued": "the same, 8 requests at a time at each node",
  timeouts: "a timeout on every node",
  deadline: "a deadline on every request",
  signal: "an AbortSignal on every request",
  stream: "requests read with stream instead of call",
  middleware: "a middleware that counts events",
  recorder: "a recorder that counts records",
  store: "a state store in memory",
  bus: "a message bus in memory",
} as const;

export type Feature = keyof typeof idle | keyof typeof busy;

/** Short, so that neither other programs nor a garbage collection disturb most slices. */
const roundsPerSlice = 2;
const atLeastPairs = 99;

const quartile = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 2]!;
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

/** Measurements of the slices of one line. */
class Slices {
  readonly times: number[] = [];
  readonly bytes: number[] = [];
  readonly #rig: RequestRig<Payload>;
  readonly #load: Load<Payload>;

  constructor(rig: RequestRig<Payload>, load: Load<Payload>) {
    this.#rig = rig;
    this.#load = load;
  }

  async run(): Promise<void> {
    const requests = this.#load.window * roundsPerSlice;
    const before = process.memoryUsage().heapUsed;
    const { elapsedMs } = await stretch(this.#rig, this.#load, requests, { collect: false });
    const grown = process.memoryUsage().heapUsed - before;
    this.times.push(elapsedMs);
    // a heap that shrank was collected in between, so its growth is unknown
    if (grown > 0) this.bytes.push(grown / requests);
  }
}

/** Runs many short turns of both lines and compares the quick quarter of each, because noise only makes runs slower. */
async function costOf(rig: FeatureRig, load: Load<Payload>, warmUpMs: number, measureMs: number): Promise<Measurement> {
  const alternate = async (plain: Slices, featured: Slices, forMs: number, atLeast: number): Promise<void> => {
    const startedAt = performance.now();
    for (let pair = 0; pair < atLeast || performance.now() - startedAt < forMs; pair += 1) {
      // alternates the order, so that neither line profits from going first
      const turns = pair % 2 === 0 ? [plain, featured] : [featured, plain];
      for (const slices of turns) await slices.run();
    }
  };
  await alternate(new Slices(rig.plain, load), new Slices(rig.featured, load), warmUpMs, 1);
  const [plain, featured] = [new Slices(rig.plain, load), new Slices(rig.featured, load)];
  await alternate(plain, featured, measureMs, atLeastPairs);
  rig.check();
  const cost = (quartile(featured.times) / quartile(plain.times) - 1) * 100;
  const bytes = median(featured.bytes) - median(plain.bytes);
  const requests = plain.times.length * load.window * roundsPerSlice;
  return { figures: { "cost %": cost, "more bytes": bytes }, requests, processorShare: 1 };
}

function feature(kind: string, name: string, title: string, bars: readonly Bar[]): Workload<FeatureSetup, FeatureRig> {
  const setup: FeatureSetup = { feature: name, nodes: 10, tally: { hops: 0 } };
  const load: Load<Payload> = { window: 64, hopsPerRequest: setup.nodes, tally: setup.tally, isRight: isOwnPayload };
  return {
    name: `${kind}-${name}`,
    family: "features",
    title: `10 nodes in a line, ${kind}: ${title}`,
    figures: [
      { name: "cost %", better: "less" },
      { name: "more bytes", better: "less" },
    ],
    setup,
    subjects: ["penguiflow"],
    bars,
    measure: (rig, timing) => costOf(rig, load, timing.warmUpMs, timing.measureMs * 2),
  };
}

export const workloads: readonly Workload<FeatureSetup, FeatureRig>[] = [
  ...Object.entries(idle).map(([name, title]) => feature("unused", name, title, [{ atMost: 2 }])),
  ...Object.entries(busy).map(([name, title]) =>
    feature("used", name, title, name === "contexts" ? [{ atMost: 15 }] : []),
  ),
];
