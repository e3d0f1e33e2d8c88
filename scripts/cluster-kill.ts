// Kills, stops and cuts off the workers of a cluster while its clients call, and checks its guarantees on what they are
// told, on what each worker has read and stored, and on what is left: `npm run cluster:kill -- --kills 50 --stops 5`.
// The checks are those of the simulation: packages/cluster/test/history/broken-guarantees.ts. It also measures the time
// from a kill until the traces of the lost partitions make progress on another worker.
import { setTimeout as sleep } from "node:timers/promises";
import { seededRandom } from "penguiflow";
import { cluster } from "@penguiflow/cluster";
import { type BackendName, BACKENDS, type TestedBackend, testedBackend } from "./cluster/backends.ts";
import { Caller } from "./cluster/calling.ts";
import { check } from "./cluster/final-state.ts";
import { Fleet } from "./cluster/fleet.ts";
import { HistoryFolder, historyFileIn } from "./cluster/history-file.ts";
import { makeNetwork, type Network } from "./cluster/network.ts";
import { LEASE_MS, PARTITIONS, WORKERS } from "./cluster/settings.ts";
import { readCommandLine, refuse, wholeNumber } from "./command-line.ts";

const USAGE = `Usage: npm run cluster:kill -- [--backend name] [--kills n] [--stops n] [--cuts n]
                                [--leaders n] [--seed n]

  --backend  memory, postgres, nats or nats-3 (three servers), memory when left out
  --kills    times that a worker is killed, 20 when left out
  --stops    times that a worker is stopped for longer than its lease, 2 when left out
  --cuts     times that a worker is cut off from the backend for longer than its lease, in a network
             namespace of its own, 0 when left out
  --leaders  times that the server which leads is killed, with nats-3, 0 when left out
  --seed     seed of the choices, 1 when left out`;

const APP = "kill";
/** Calls at once. */
const AT_ONCE = 64;
const AGAIN = 100;
/** Shares of the kills that hit two workers at once, and all of them. */
const TWO_SHARE = 0.2;
const ALL_SHARE = 0.05;
/** Longest pause between two blows. */
const PAUSE_MS = 500;
/** Longest time in which the program waits for all workers to be at work again. */
const RECOVERY_MS = 15_000;
/** Milliseconds after the last blow in which every call must be answered. */
const SETTLE_MS = 120_000;
const TOLD_MS = 30_000;
/** A member is gone after its time to live, which is a lease; its partitions are free after their lease. */
const BOUND_MS = 2 * LEASE_MS + 1_000;

interface Wanted {
  readonly kills: number;
  readonly stops: number;
  readonly cuts: number;
  readonly leaders: number;
  readonly seed: number;
  readonly on: BackendName;
}

interface Blow {
  readonly kind: "kill" | "stop" | "cut" | "leader";
  /** Number of workers that are hit at once. */
  readonly workers: number;
}

/** Chooses the blows and their order. */
function planOf({ kills, stops, cuts, leaders }: Wanted, random: () => number): readonly Blow[] {
  const blows: Blow[] = [];
  for (let left = kills; left > 0;) {
    const chance = random();
    const workers = chance < ALL_SHARE ? WORKERS : chance < ALL_SHARE + TWO_SHARE ? 2 : 1;
    blows.push({ kind: "kill", workers: Math.min(workers, left) });
    left -= Math.min(workers, left);
  }
  const others = [
    { kind: "stop", workers: 1, count: stops },
    { kind: "cut", workers: 1, count: cuts },
    { kind: "leader", workers: 0, count: leaders },
  ] as const;
  for (const { count, ...blow } of others) blows.push(...Array.from({ length: count }, () => blow));
  return blows
    .map((blow) => ({ blow, at: random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ blow }) => blow);
}

/** Strikes, and tells how far it is now and then. */
async function strikeAll(fleet: Fleet, tested: TestedBackend, blows: readonly Blow[], random: () => number) {
  let toldAt = performance.now();
  for (const [number, blow] of blows.entries()) {
    // half of the blows meet a cluster that has recovered from the one before, the others do not wait for that
    const isCalm = random() < 0.5;
    if (isCalm) await fleet.takeovers.settled(RECOVERY_MS);
    // only workers at work are worth a blow
    await until(() => fleet.working.length >= (isCalm ? WORKERS : blow.workers));
    const hit = fleet.working
      .map((index) => ({ index, at: random() }))
      .toSorted((a, b) => a.at - b.at)
      .map(({ index }) => index)
      .slice(0, blow.workers);
    if (blow.kind === "kill") await fleet.kill(...hit);
    else if (blow.kind === "leader") {
      fleet.takeovers.disturb();
      await tested.killLeader?.();
    } else for (const index of hit) await fleet[blow.kind](index);
    if (isCalm) await fleet.takeovers.settled(RECOVERY_MS);
    await sleep(PAUSE_MS * random());
    if (performance.now() - toldAt < TOLD_MS) continue;
    toldAt = performance.now();
    process.stdout.write(`${number + 1} of ${blows.length} blows\n`);
  }
}

/** Waits for a condition, but no longer than a recovery may take. */
async function until(isSo: () => boolean): Promise<void> {
  for (const end = performance.now() + RECOVERY_MS; !isSo() && performance.now() < end;) await sleep(20);
}

/** Calls until it is told that it is over, so many at once. */
async function callOn(next: () => Promise<void>, isOver: () => boolean): Promise<void> {
  const calling = async (): Promise<void> => {
    while (!isOver()) await next();
  };
  await Promise.all(Array.from({ length: AT_ONCE }, calling));
}

async function run(plan: Wanted, network: Network | undefined): Promise<readonly string[]> {
  await using tested = await testedBackend(plan.on, network?.host);
  const { backend } = tested;
  if (plan.leaders > 0 && tested.killLeader === undefined)
    throw new Error(`Cannot kill the leader of backend "${plan.on}": it has one server; use "nats-3"`);
  const app = cluster({ name: APP, backend, partitions: PARTITIONS, leaseMs: LEASE_MS });
  await using client = app.client();
  using history = new HistoryFolder();
  const caller = new Caller(APP, historyFileIn(history.path));
  const startedAt = performance.now();
  {
    await using fleet = new Fleet(tested, { name: APP, history: history.path, network });
    let isOver = false;
    const calling = callOn(
      () => caller.next(client),
      () => isOver,
    );
    const random = seededRandom(plan.seed);
    await strikeAll(fleet, tested, planOf(plan, random), random);
    isOver = true;
    // a closed client gives up what it waits for, which is lost then
    const givingUp = setTimeout(() => void client[Symbol.asyncDispose](), SETTLE_MS);
    await calling;
    clearTimeout(givingUp);
    await using other = app.client();
    for (let trace = 1; trace <= Math.min(AGAIN, caller.called); trace += 1) await caller.again(other, trace);
    report(plan, fleet, caller, performance.now() - startedAt);
  }
  return [...caller.wrong, ...(await check(APP, backend, history.read()))];
}

function report({ kills, stops, cuts, leaders }: Wanted, { takeovers }: Fleet, { called }: Caller, ms: number): void {
  const blows = [`${kills} kills`, `${stops} stops`, `${cuts} cuts`, `${leaders} leaders`].join(", ");
  process.stdout.write(
    `${called} traces, ${blows} in ${Math.round(ms / 1_000)} s; ${takeovers.hits} of the killed workers had partitions\n`,
  );
  const sorted = takeovers.calm.toSorted((a, b) => a - b);
  if (sorted.length === 0) return;
  const at = (share: number): string => Math.round(sorted[Math.floor((sorted.length - 1) * share)]!).toString();
  const within = sorted.filter((takeover) => takeover <= BOUND_MS).length;
  process.stdout.write(
    `From a kill to progress of a partition: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms; ` +
      `${within} of ${sorted.length} within lease + time to live + 1 s = ${BOUND_MS} ms ` +
      `(${takeovers.disturbed.length} more met a further blow, or workers that had just begun)\n`,
  );
}

function wanted(): Wanted {
  const { values } = readCommandLine(USAGE, {
    backend: { type: "string", default: "memory" },
    kills: { type: "string", default: "20" },
    stops: { type: "string", default: "2" },
    cuts: { type: "string", default: "0" },
    leaders: { type: "string", default: "0" },
    seed: { type: "string", default: "1" },
  });
  const on = BACKENDS.find((name) => name === values.backend);
  if (on === undefined) refuse(`Option "--backend" must be one of ${BACKENDS.join(", ")}: got "${values.backend}"`);
  const cuts = wholeNumber("cuts", values.cuts, 0);
  if (on === "memory" && cuts > 0)
    refuse('Option "--cuts" needs a backend that is reached over a network: got "memory"');
  return {
    on,
    cuts,
    kills: wholeNumber("kills", values.kills, 0),
    stops: wholeNumber("stops", values.stops, 0),
    leaders: wholeNumber("leaders", values.leaders, 0),
    seed: wholeNumber("seed", values.seed),
  };
}

/** Runs on networks of its own where workers are to be cut off. Leaves the cuts out, with the reason, where it cannot. */
async function runWanted(): Promise<readonly string[]> {
  const all = wanted();
  if (all.cuts === 0) return await run(all, undefined);
  const network = makeNetwork(WORKERS);
  if (!("missing" in network)) {
    using own = network;
    return await run(all, own);
  }
  process.stdout.write(`Skipped: ${all.cuts} cuts (${network.missing})\n`);
  return await run({ ...all, cuts: 0 }, undefined);
}

const faults = await runWanted();
for (const fault of faults.slice(0, 20)) process.stdout.write(`${fault}\n`);
process.stdout.write(
  faults.length === 0 ? "Nothing lost, nothing doubled: the guarantees hold\n" : `${faults.length} faults\n`,
);
process.exitCode = faults.length === 0 ? 0 : 1;
