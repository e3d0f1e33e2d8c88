import { seededRandom } from "penguiflow";
import type { Effect } from "./effects.ts";

const TENANTS = 3;
/** Ids per life: the id of a job divided by this is its life. */
const JOBS_PER_LIFE = 1_000_000;

/** Names of the features whose jobs are sent. */
const featureNames = [
  "cancels",
  "deadlines",
  "ids",
  "limits",
  "policies",
  "rests",
  "retries",
  "signals",
  "turns",
] as const;

/** Name of a feature that has jobs of its own. Those of the intake are its items. */
export type FeatureName = (typeof featureNames)[number] | "intake";

/** A side effect of the flow. */
export type FlowEffect = Effect<"charge" | "result">;

/** Plan of a trace, derived from the seed and its id alone, so that the killed process and the checking one agree. */
export interface Job {
  readonly id: number;
  /** Life in which it is sent. */
  readonly life: number;
  readonly tenant: string;
  /** Feature at whose node it begins. Without one it passes through the main part of the flow. */
  readonly feature: FeatureName | undefined;
  readonly way: "emit" | "call" | "stream";
  readonly hasDeadline: boolean;
  /** Number of parts; two nodes handle each of them. */
  readonly parts: number;
  /** Part whose handler fails, and how many times. */
  readonly failsAt: number;
  readonly failures: number;
  /** Failures of the charge before it succeeds. */
  readonly chargeFailures: number;
  readonly chunks: number;
  readonly route: "think" | "ask" | "wait" | "conclude";
  /** Hops of its controller. */
  readonly hops: number;
  /** Lives until each question may be answered, for every question asked at once. */
  readonly waits: readonly number[];
  /** Milliseconds that it sleeps before its conclusion. Some sleeps outlast the wait for a dead owner's lease. */
  readonly sleepMs: number;
  /** Milliseconds after which a question that is never answered expires. */
  readonly expiresMs: number;
}

/** Result of a trace. `by` lists the lives in which its questions were answered; `key` is the key of the message. */
export interface Result {
  readonly id: number;
  readonly value: number;
  readonly by: readonly number[];
  readonly key: string;
}

/** Returns the id of the n-th job of a life. */
export function jobId(life: number, n: number): number {
  return life * JOBS_PER_LIFE + n;
}

/** Returns the tenant of a job. */
export function tenantOf(id: number): string {
  return `tenant-${id % TENANTS}`;
}

/** Derives the job of an id. The jobs of life 0 are the items of the intake. */
export function jobOf(seed: number, id: number): Job {
  const random = seededRandom(Math.imul(seed, 0x9e3779b1) + id);
  const chance = (part: number): boolean => random() < part;
  const from = (least: number, most: number): number => least + Math.floor(random() * (most - least + 1));
  const pick = <const Item>(...items: readonly Item[]): Item => items[from(0, items.length - 1)] as Item;
  const job = {
    id,
    life: Math.floor(id / JOBS_PER_LIFE),
    tenant: tenantOf(id),
    way: pick("emit", "emit", "stream", "call", "stream"),
    hasDeadline: chance(0.3),
    parts: from(1, 6),
    failsAt: chance(0.3) ? 0 : from(1, 12),
    failures: from(1, 3),
    chargeFailures: chance(0.2) ? 1 : 0,
    chunks: from(0, 3),
    route: pick("think", "think", "ask", "wait", "conclude"),
    hops: from(1, 5),
    waits: Array.from({ length: from(1, 2) }, () => from(0, 2)),
    sleepMs: chance(0.2) ? from(1000, 6000) : from(1, 400),
    expiresMs: from(0, 300),
  };
  if (job.life === 0) return { ...job, feature: "intake" };
  return { ...job, feature: chance(0.4) ? pick(...featureNames) : undefined };
}

/** Whether what a job waits for may happen in a life: in the first, or up to two later. */
export function isDue({ life: first, waits }: Job, life: number, isLast: boolean): boolean {
  return isLast || life >= first + (waits[0] ?? 0);
}

/** The tenants of all jobs. */
export const tenants: readonly string[] = Array.from({ length: TENANTS }, (_, index) => tenantOf(index));

/** Computes the expected result of a job. */
export function valueOf({ id, parts, route, hops }: Job): number {
  const sum = 2 * (parts * id + (parts * (parts - 1)) / 2);
  return route === "think" ? sum + hops : sum;
}

/** Computes how many hops a job draws from its budget: its controller's last round ends the loop. */
export function hopsOf({ feature, route, hops }: Job): number {
  return feature === undefined && route === "think" ? hops - 1 : 0;
}

/** Computes how many messages each node has handled once a job without a feature is complete. */
export function countsOf({ parts, route, hops }: Job): Readonly<Record<string, number>> {
  return {
    split: 1,
    flaky: parts,
    slow: parts,
    // a group counts as one message
    gather: 1,
    merge: 1,
    charge: 1,
    route: 1,
    ...(route === "think" ? { begin: 1, think: hops } : {}),
    ...(route === "ask" ? { ask: 1 } : {}),
    ...(route === "wait" ? { wait: 1 } : {}),
    conclude: 1,
  };
}
