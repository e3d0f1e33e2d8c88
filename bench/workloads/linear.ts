import { AsyncLocalStorage } from "node:async_hooks";
import { graphLibraries, type Bar, type Workload } from "../contract.ts";
import { measureBursts, measureRate, type Load, type RequestRig, type Tally } from "../drive.ts";
import type { Payload } from "../envelope.ts";

/** A chain of pass-through nodes. Every handler adds one to `tally.hops` and returns its payload. */
export interface LinearSetup {
  readonly nodes: number;
  /** Requests in flight at any moment; queues, where a subject has them, hold as many. */
  readonly window: number;
  readonly tally: Tally;
}

export type LinearRig = RequestRig<Payload>;

export const isOwnPayload = (answer: Payload, id: number): boolean => answer.id === id && answer.text === "penguins";

function loadOf({ nodes, window, tally }: LinearSetup): Load<Payload> {
  return { window, hopsPerRequest: nodes, tally, isRight: isOwnPayload };
}

function linear(nodes: number, bars: readonly Bar[]): Workload<LinearSetup, LinearRig> {
  const setup: LinearSetup = { nodes, window: 64, tally: { hops: 0 } };
  return {
    name: `linear-${nodes}`,
    family: "linear",
    title: `${nodes} ${nodes === 1 ? "node" : "nodes"} in a line, 64 requests in flight`,
    figures: [{ name: "hops/s", better: "more" }],
    setup,
    bars,
    measure: (rig, timing) => measureRate(rig, loadOf(setup), timing),
  };
}

/**
 * Builds the same line of ten, with each request in a context of its own, as loggers and database transactions need it.
 */
function inContexts(): Workload<LinearSetup, LinearRig> {
  const workload = linear(10, []);
  const contexts = new AsyncLocalStorage<Payload>();
  return {
    ...workload,
    name: "linear-10-contexts",
    title: `${workload.title}, each in an AsyncLocalStorage context`,
    subjects: ["floor", "penguiflow"],
    measure: ({ request, close }, timing) =>
      workload.measure({ request: (payload) => contexts.run(payload, request, payload), close }, timing),
  };
}

const concurrent: LinearSetup = { nodes: 5, window: 1_000, tally: { hops: 0 } };

const floor = (atLeast: number): Bar => ({ atLeast, than: ["floor"] });
const ahead: Bar = { atLeast: 1, than: ["fastq"] };
const peers: readonly Bar[] = [
  ahead,
  { atLeast: 4, than: ["effect-queue", "effect-queue-wide"] },
  { atLeast: 20, than: graphLibraries },
];

export const workloads: readonly Workload<LinearSetup, LinearRig>[] = [
  linear(1, peers),
  linear(5, peers),
  linear(10, [floor(0.9), ...peers]),
  linear(50, [floor(0.4), ...peers]),
  inContexts(),
  {
    name: "concurrent-1000",
    family: "linear",
    title: "1,000 requests at once through 5 nodes in a line",
    figures: [
      { name: "hops/s", better: "more" },
      { name: "p50 ms", better: "less" },
      { name: "p99 ms", better: "less" },
      { name: "p99 / p50", better: "less" },
    ],
    setup: concurrent,
    bars: [floor(0.35), ahead, { atLeast: 25, than: graphLibraries }, { figure: "p99 / p50", atMost: 3 }],
    measure: (rig, timing) => measureBursts(rig, loadOf(concurrent), timing),
  },
];
