import { seededRandom } from "penguiflow";

const TENANTS = 3;
/** Ids of the jobs of a life begin with its number. */
const JOBS_PER_LIFE = 1_000_000;

/** What a trace is to go through. The seed and its id say it, for the process that is killed and for the one that checks. */
export interface Job {
  readonly id: number;
  readonly tenant: string;
  readonly way: "emit" | "call" | "stream";
  readonly hasDeadline: boolean;
  /** How many parts it is split into, each handled by two nodes. */
  readonly parts: number;
  /** The part that fails so many times. */
  readonly failsAt: number;
  readonly failures: number;
  /** How often its charge fails before it takes place. */
  readonly chargeFailures: number;
  readonly chunks: number;
  readonly route: "think" | "ask" | "conclude";
  /** How often its controller thinks. */
  readonly hops: number;
  /** For each question at once: how many lives later it may be answered. */
  readonly waits: readonly number[];
}

/** What a trace results in. `by` are the lives in which its questions were answered; `key` is that of the message. */
export interface Result {
  readonly id: number;
  readonly value: number;
  readonly by: readonly number[];
  readonly key: string;
}

/** The id of the n-th job of a life. */
export function jobId(life: number, n: number): number {
  return life * JOBS_PER_LIFE + n;
}

/** The job of an id. */
export function jobOf(seed: number, id: number): Job {
  const random = seededRandom(Math.imul(seed, 0x9e3779b1) + id);
  const chance = (part: number): boolean => random() < part;
  const from = (least: number, most: number): number => least + Math.floor(random() * (most - least + 1));
  const pick = <const Item>(...items: readonly Item[]): Item => items[from(0, items.length - 1)] as Item;
  return {
    id,
    tenant: `tenant-${id % TENANTS}`,
    way: pick("emit", "emit", "emit", "call", "stream"),
    hasDeadline: chance(0.3),
    parts: from(1, 6),
    failsAt: chance(0.3) ? 0 : from(1, 12),
    failures: from(1, 3),
    chargeFailures: chance(0.2) ? 1 : 0,
    chunks: from(0, 3),
    route: pick("think", "think", "ask", "conclude"),
    hops: from(1, 5),
    waits: Array.from({ length: from(1, 2) }, () => from(0, 2)),
  };
}

/** The tenants of all jobs. */
export const tenants: readonly string[] = Array.from({ length: TENANTS }, (_, index) => `tenant-${index}`);

/** What a job results in. */
export function valueOf({ id, parts, route, hops }: Job): number {
  const sum = 2 * (parts * id + (parts * (parts - 1)) / 2);
  return route === "think" ? sum + hops : sum;
}

/** How many messages each node is done with when a job is. */
export function countsOf({ parts, route, hops }: Job): Readonly<Record<string, number>> {
  return {
    split: 1,
    flaky: parts,
    slow: parts,
    // a group counts as one
    gather: 1,
    merge: 1,
    charge: 1,
    route: 1,
    ...(route === "think" ? { begin: 1, think: hops } : {}),
    ...(route === "ask" ? { ask: 1 } : {}),
    conclude: 1,
  };
}
