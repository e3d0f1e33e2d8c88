import { checkpointStores, type Bar, type Closable, type Measurement, type Workload } from "../contract.ts";
import { measureRate, stretch, type Load, type RequestRig, type Tally } from "../drive.ts";
import type { Payload } from "../envelope.ts";
import { isOwnPayload } from "./linear.ts";

/** A line of pass-through nodes whose messages all survive the failures the subject names. */
export interface DurableSetup {
  readonly nodes: number;
  /** With `emit`, the checkpoint store stores acceptance and result, and `fetch` takes the result. */
  readonly ask: "call" | "emit";
  /** Whether each handler waits for the next turn of the event loop, so that traces are in flight during a store. */
  readonly yields: boolean;
  readonly tally: Tally;
}

/** Contents of the checkpoint store when all traces have ended and the flow has stopped. */
export interface Leftover {
  /** Number of traces with an entry in the checkpoint store. */
  readonly entries: number;
  /** Messages handled, by node. */
  readonly counts: ReadonlyMap<string, number>;
}

export interface Recovered {
  readonly resumed: number;
  /** Time from opening the checkpoint store until the flow was ready. */
  readonly recoveredMs: number;
  /** Time from the same moment until all results were fetched. */
  readonly finishedMs: number;
  /** Results by the payload's id. */
  readonly answers: ReadonlyMap<number, Payload>;
}

/** A flow that runs once it is told to. The optional methods exist where there is a checkpoint store. */
export interface DurableRig extends Closable {
  /** Whether each batch waits for a disk or a server. */
  readonly waits: boolean;
  start(): Promise<RequestRig<Payload>>;
  /** Stops the flow and reads the contents of the checkpoint store. */
  leftover?(): Promise<Leftover>;
  /** Size of the checkpoint store on disk. */
  bytes?(): Promise<number>;
  /** Has a process accept that many traces, kills it, and recovers them here. */
  recover?(traces: number): Promise<Recovered>;
}

const window = 1_000;
const nodes = 10;
const onDisk = ["sqlite-normal", "sqlite-full", "postgres"];

const rates: readonly Bar[] = [
  { of: "sqlite-normal", atLeast: 0.25, than: ["penguiflow"], enough: 250_000 },
  { of: "sqlite-full", atLeast: 0.25, than: ["penguiflow"], enough: 250_000 },
  { of: "postgres", atLeast: 100_000 },
];

const loadOf = (tally: Tally): Load<Payload> => ({ window, hopsPerRequest: nodes, tally, isRight: isOwnPayload });

function rate(
  name: string,
  what: string,
  { ask, yields }: Pick<DurableSetup, "ask" | "yields">,
): Workload<DurableSetup, DurableRig> {
  const setup: DurableSetup = { nodes, ask, yields, tally: { hops: 0 } };
  return {
    name: `durable-${name}`,
    family: "durable",
    title: `10 nodes in a line, 1,000 requests in flight, ${what}`,
    figures: [{ name: "hops/s", better: "more" }],
    setup,
    subjects: ["penguiflow", ...checkpointStores],
    bars: rates,
    async measure(rig, timing): Promise<Measurement> {
      const measured = await measureRate(await rig.start(), loadOf(setup.tally), timing);
      // the processor is idle while a batch waits, so idleness shows no disturbance here
      return rig.waits ? { ...measured, processorShare: 1 } : measured;
    },
  };
}

/** Measures after a warm-up whose traces and free pages make room for later ones. */
async function measureLeftover(rig: DurableRig, tally: Tally): Promise<Measurement> {
  const [before, measured] = [20_000, 40_000];
  const line = await rig.start();
  await stretch(line, loadOf(tally), before);
  const bytesBefore = await rig.bytes!();
  await stretch(line, loadOf(tally), measured);
  const grown = (await rig.bytes!()) - bytesBefore;
  const { entries, counts } = await rig.leftover!();
  const wrong = [...counts].find(([, count]) => count !== before + measured);
  if (counts.size !== nodes || wrong !== undefined)
    throw new Error(`Wrong count: expected ${before + measured} messages at node "${wrong?.[0]}", got ${wrong?.[1]}`);
  return {
    figures: { "rows each": entries / (before + measured), "more bytes each": grown / measured },
    requests: measured,
    processorShare: 1,
  };
}

const unfinished = 100_000;
const leftover: DurableSetup = { nodes, ask: "emit", yields: true, tally: { hops: 0 } };
const recovery: DurableSetup = { nodes, ask: "emit", yields: false, tally: { hops: 0 } };

function recoveryOn(name: string, subjects: readonly string[]): Workload<DurableSetup, DurableRig> {
  return {
    name,
    family: "durable",
    title: "until 100,000 unfinished traces of a killed process are under way again, and until all are finished",
    figures: [
      { name: "s", better: "less" },
      { name: "all finished s", better: "less" },
    ],
    setup: recovery,
    subjects,
    bars: subjects.map((of) => ({ of, atMost: 5 })),
    async measure(rig) {
      const { resumed, recoveredMs, finishedMs, answers } = await rig.recover!(unfinished);
      if (resumed !== unfinished) throw new Error(`Wrong count: expected ${unfinished} resumed traces, got ${resumed}`);
      // the trace accepted last may have made less progress
      if (recovery.tally.hops < unfinished || recovery.tally.hops >= unfinished + nodes)
        throw new Error(`Wrong count: expected ${unfinished} remaining hops, got ${recovery.tally.hops}`);
      for (const [id, answer] of answers)
        if (!isOwnPayload(answer, id)) throw new Error(`Wrong answer to request "${id}": ${JSON.stringify(answer)}`);
      return {
        figures: { s: recoveredMs / 1_000, "all finished s": finishedMs / 1_000 },
        requests: answers.size,
        processorShare: 1,
      };
    },
  };
}

export const workloads: readonly Workload<DurableSetup, DurableRig>[] = [
  rate("call", "asked with call: the result waits until it is stored", { ask: "call", yields: false }),
  rate("emit", "emitted and fetched: acceptance, result and its taking are stored", { ask: "emit", yields: false }),
  rate("hops", "each node waits for the next turn, while others are stored", { ask: "call", yields: true }),
  recoveryOn("durable-recovery", onDisk),
  // the checkpoints of a cluster's partition
  recoveryOn("cluster-recovery", ["postgres", "nats"]),
  {
    name: "durable-leftover",
    family: "durable",
    title:
      "what a checkpoint store keeps of each finished trace: rows, and by how much it grew on disk, of 40,000 after 20,000",
    figures: [
      { name: "rows each", better: "less" },
      { name: "more bytes each", better: "less" },
    ],
    setup: leftover,
    subjects: onDisk,
    bars: onDisk.map((of) => ({ of, atMost: 0 })),
    measure: (rig) => measureLeftover(rig, leftover.tally),
  },
];
