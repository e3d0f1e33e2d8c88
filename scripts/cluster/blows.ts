import { setTimeout as sleep } from "node:timers/promises";
import type { Fleet } from "./fleet.ts";
import { WORKERS } from "./settings.ts";

export const KINDS = ["kill", "stop", "cut", "leader"] as const;
/** Number of blows of each kind; a kill counts for each worker that it hits. */
export type Blows = Record<(typeof KINDS)[number], number>;

interface Blow {
  readonly kind: (typeof KINDS)[number];
  /** Number of workers that are hit at once. */
  readonly workers: number;
}

interface Striking {
  readonly fleet: Fleet;
  readonly killLeader: (() => Promise<void>) | undefined;
  readonly random: () => number;
  /** The `performance.now()` after which the rest is left out. */
  readonly until: number;
}

/** Shares of the kills that hit two workers at once, and all of them. */
const TWO_SHARE = 0.2;
const ALL_SHARE = 0.05;
/** Share of the blows before and after which nothing else happens: their takeovers are timed. */
const CALM_SHARE = 0.3;
/** Longest pause between two blows. */
const PAUSE_MS = 500;
/** Longest time in which the program waits for all workers to be at work again. */
const RECOVERY_MS = 15_000;
const TOLD_MS = 30_000;

/** Chooses the blows and their order. */
function planOf(wanted: Blows, random: () => number): readonly Blow[] {
  const blows: Blow[] = [];
  for (let left = wanted.kill; left > 0;) {
    const chance = random();
    const workers = chance < ALL_SHARE ? WORKERS : chance < ALL_SHARE + TWO_SHARE ? 2 : 1;
    blows.push({ kind: "kill", workers: Math.min(workers, left) });
    left -= Math.min(workers, left);
  }
  for (const kind of ["stop", "cut", "leader"] as const)
    blows.push(...Array.from({ length: wanted[kind] }, (): Blow => ({ kind, workers: kind === "leader" ? 0 : 1 })));
  return blows
    .map((blow) => ({ blow, at: random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ blow }) => blow);
}

/** Strikes, and tells how far it is now and then. Returns what was struck. */
export async function strike(wanted: Blows, { fleet, killLeader, random, until }: Striking): Promise<Blows> {
  const struck: Blows = { kill: 0, stop: 0, cut: 0, leader: 0 };
  let toldAt = performance.now();
  for (const { kind, workers } of planOf(wanted, random)) {
    if (performance.now() > until) break;
    // some of the blows meet a cluster that has recovered from the one before, the others do not wait for that
    const isCalm = random() < CALM_SHARE;
    if (isCalm) await fleet.takeovers.settled(RECOVERY_MS);
    // workers at work are worth a blow; others are hit where they take too long
    await recovered(() => fleet.working.length >= (isCalm ? WORKERS : workers));
    const working = new Set(fleet.working);
    const hit = Array.from({ length: WORKERS }, (_, index) => ({ index, at: working.has(index) ? random() : 1 }))
      .toSorted((a, b) => a.at - b.at)
      .map(({ index }) => index)
      .slice(0, workers);
    if (kind === "kill") await fleet.kill(...hit);
    else if (kind === "leader") {
      fleet.takeovers.disturb();
      await killLeader?.();
    } else for (const index of hit) await fleet[kind](index);
    struck[kind] += kind === "leader" ? 1 : hit.length;
    if (isCalm) await fleet.takeovers.settled(RECOVERY_MS);
    await sleep(PAUSE_MS * random());
    if (performance.now() - toldAt < TOLD_MS) continue;
    toldAt = performance.now();
    process.stdout.write(`${written(struck)} of ${written(wanted)}\n`);
  }
  return struck;
}

/** Writes the numbers of blows for people. */
export function written(blows: Blows): string {
  return KINDS.flatMap((kind) => (blows[kind] === 0 ? [] : [`${blows[kind]} ${kind}s`])).join(", ") || "nothing";
}

/** Waits for a condition, but no longer than a recovery may take. */
async function recovered(isSo: () => boolean): Promise<void> {
  for (const end = performance.now() + RECOVERY_MS; !isSo() && performance.now() < end;) await sleep(20);
}
