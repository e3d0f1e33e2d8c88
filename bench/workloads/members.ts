import { setTimeout as sleep } from "node:timers/promises";
import type { Closable, Measurement, Workload } from "../contract.ts";

/** A cluster whose workers come and go, or that one tenant floods. */
export interface MembersSetup {
  readonly leaseMs: number;
  /** Traces in flight in each partition. */
  readonly maxInFlight: number;
  /** Milliseconds that each step waits for something. */
  readonly stepMs: number;
}

/** A worker process of the cluster. */
export interface Member {
  /** Has it hand over what it has. */
  drain(): Promise<void>;
  kill(): Promise<void>;
}

export interface MembersRig extends Closable {
  /** Begins a worker; resolves once it is at work. */
  join(name: string): Promise<Member>;
  /** Makes a request, from one or the other of two clients; resolves once it is answered. */
  call(id: number, tenant: string, isOther?: boolean): Promise<void>;
}

const LEASE_MS = 1_000;
const CALLERS = 32;
const SUBJECTS = ["cluster-postgres", "cluster-nats"];
const median = (times: readonly number[]): number => times.toSorted((a, b) => a - b)[times.length >> 1]!;

/** Callers that never stop, each with a tenant of its own; they tell the longest time that one has waited. */
class Callers {
  #isOver = false;
  #longestMs = 0;
  #id = 0;
  readonly #all: Promise<unknown>;

  constructor(rig: MembersRig) {
    const calling = async (tenant: string): Promise<void> => {
      while (!this.#isOver) {
        const askedAt = performance.now();
        await rig.call((this.#id += 1), tenant);
        this.#longestMs = Math.max(this.#longestMs, performance.now() - askedAt);
      }
    };
    this.#all = Promise.all(Array.from({ length: CALLERS }, (_, index) => calling(`tenant-${index}`)));
  }

  /** Returns the longest wait of the calls that were under way during an event or a while after it. */
  async during(event: () => Promise<void>): Promise<number> {
    this.#longestMs = 0;
    await event();
    await sleep(4 * LEASE_MS);
    return this.#longestMs;
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await this.#all;
  }
}

async function standstill(rig: MembersRig): Promise<Measurement> {
  const [first, second] = [await rig.join("one"), await rig.join("two")];
  const callers = new Callers(rig);
  // both have their shares and are warm
  await sleep(6 * LEASE_MS);
  const handOverMs = await callers.during(() => first.drain());
  await rig.join("three");
  await sleep(4 * LEASE_MS);
  const killMs = await callers.during(() => second.kill());
  await callers.end();
  return { figures: { "kill ms": killMs, "hand-over ms": handOverMs }, requests: 1, processorShare: 1 };
}

const WARM = 50;
const ALONE = 100;
const FLOOD = 2_000;

async function flood(rig: MembersRig): Promise<Measurement> {
  await rig.join("one");
  let id = 0;
  const latencies = async (isOver: (done: number) => boolean): Promise<readonly number[]> => {
    const times: number[] = [];
    while (!isOver(times.length)) {
      const askedAt = performance.now();
      await rig.call((id += 1), "other");
      times.push(performance.now() - askedAt);
    }
    return times;
  };
  await latencies((done) => done === WARM);
  const alone = median(await latencies((done) => done === ALONE));
  let isFlooded = true;
  const flooding = Promise.all(Array.from({ length: FLOOD }, (_, index) => rig.call(1_000_000 + index, "flood", true)));
  void flooding.then(
    () => (isFlooded = false),
    () => (isFlooded = false),
  );
  const beside = await latencies(() => !isFlooded);
  await flooding;
  const flooded = median(beside);
  return {
    figures: { "times alone": flooded / alone, "ms in a flood": flooded, "ms alone": alone },
    requests: beside.length,
    processorShare: 1,
  };
}

export const workloads: readonly Workload<MembersSetup, MembersRig>[] = [
  {
    name: "cluster-standstill",
    family: "members",
    title: "longest wait of a call when a worker of two is killed, and when it hands over; leases of a second",
    figures: [
      { name: "kill ms", better: "less" },
      { name: "hand-over ms", better: "less" },
    ],
    setup: { leaseMs: LEASE_MS, maxInFlight: 256, stepMs: 2 },
    subjects: SUBJECTS,
    // lease + time to live + a second
    bars: SUBJECTS.flatMap((of) => [
      { of, atMost: 3 * LEASE_MS },
      { of, figure: "hand-over ms", atMost: 1_000 },
    ]),
    measure: standstill,
  },
  {
    name: "cluster-flood",
    family: "members",
    title: "latency of one tenant's calls, one after the other, while another tenant has 2,000 under way, and alone",
    figures: [
      { name: "times alone", better: "less" },
      { name: "ms in a flood", better: "less" },
      { name: "ms alone", better: "less" },
    ],
    setup: { leaseMs: 30_000, maxInFlight: 8, stepMs: 10 },
    subjects: SUBJECTS,
    bars: SUBJECTS.map((of) => ({ of, atMost: 3 })),
    measure: flood,
  },
];
