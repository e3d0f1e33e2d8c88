// Kills, stops and cuts off the workers of a cluster while its clients call, and checks its guarantees on what they are
// told, on what each worker has read and stored, and on what is left: `npm run cluster:kill -- --kills 50 --stops 5`.
// The checks are those of the simulation: packages/cluster/test/history/broken-guarantees.ts. It also measures the time
// from a kill until the traces of the lost partitions make progress on another worker.
import { setTimeout as sleep } from "node:timers/promises";
import { seededRandom } from "penguiflow";
import { cluster } from "@penguiflow/cluster";
import { type BackendName, BACKENDS, testedBackend } from "./cluster/backends.ts";
import { type Blows, strike, written } from "./cluster/blows.ts";
import { Caller } from "./cluster/calling.ts";
import { check } from "./cluster/final-state.ts";
import { Fleet } from "./cluster/fleet.ts";
import { HistoryFolder, historyFileIn } from "./cluster/history-file.ts";
import { makeNetwork, type Network } from "./cluster/network.ts";
import { LEASE_MS, PARTITIONS, WORKERS } from "./cluster/settings.ts";
import type { Takeovers } from "./cluster/takeovers.ts";
import { readCommandLine, refuse, wholeNumber } from "./command-line.ts";

const USAGE = `Usage: npm run cluster:kill -- [--backend name] [--kills n] [--stops n] [--cuts n]
                                [--leaders n] [--minutes n] [--seed n]

  --backend  memory, postgres, nats or nats-3 (three servers), memory when left out
  --kills    workers that are killed, 20 when left out
  --stops    times that a worker is stopped for longer than its lease, 2 when left out
  --cuts     times that a worker is cut off from the backend for longer than its lease, in a network
             namespace of its own, 0 when left out
  --leaders  times that the server which leads is killed, with nats-3, 0 when left out
  --minutes  time after which the rest of these is left out, a day when left out
  --seed     seed of the choices, 1 when left out`;

const APP = "kill";
/** Calls at once: a few in each partition. */
const AT_ONCE = 24;
const AGAIN = 100;
/** Milliseconds after the last blow in which every call must be answered. */
const SETTLE_MS = 120_000;
/** A member is gone after its time to live, which is a lease; its partitions are free after their lease. */
const BOUND_MS = 2 * LEASE_MS + 1_000;

interface Wanted {
  readonly on: BackendName;
  readonly blows: Blows;
  readonly minutes: number;
  readonly seed: number;
}

/** Calls until it is told that it is over, so many at once. */
async function callOn(next: () => Promise<void>, isOver: () => boolean): Promise<void> {
  const calling = async (): Promise<void> => {
    while (!isOver()) await next();
  };
  await Promise.all(Array.from({ length: AT_ONCE }, calling));
}

async function run({ on, blows, minutes, seed }: Wanted, network: Network | undefined): Promise<readonly string[]> {
  await using tested = await testedBackend(on, network?.host);
  const { backend, killLeader } = tested;
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
    const until = startedAt + minutes * 60_000;
    const struck = await strike(blows, { fleet, killLeader, random: seededRandom(seed), until });
    await fleet.takeovers.settled(SETTLE_MS);
    isOver = true;
    // a closed client gives up what it waits for, which is lost then
    const givingUp = setTimeout(() => void client[Symbol.asyncDispose](), SETTLE_MS);
    await calling;
    clearTimeout(givingUp);
    await using other = app.client();
    for (let trace = 1; trace <= Math.min(AGAIN, caller.called); trace += 1) await caller.again(other, trace);
    // a result is told before the batch that removes its trace is stored
    await sleep(2 * LEASE_MS);
    const seconds = Math.round((performance.now() - startedAt) / 1_000);
    process.stdout.write(
      `${caller.called} traces, ${written(struck)} in ${seconds} s; ${fleet.ended} workers ended by themselves\n` +
        `${times(fleet.takeovers)}\n`,
    );
  }
  return [...caller.wrong, ...(await check(APP, backend, history.read()))];
}

/** Writes how long traces stood still after the kills. */
function times({ calm, disturbed, hits }: Takeovers): string {
  const sorted = calm.toSorted((a, b) => a - b);
  const at = (share: number): string => `${Math.round(sorted[Math.floor((sorted.length - 1) * share)] ?? 0)} ms`;
  const within = sorted.filter((takeover) => takeover <= BOUND_MS).length;
  return `${hits} of the killed workers had partitions. From a kill to progress elsewhere: p50 ${at(0.5)}, p99 ${at(0.99)},
longest ${at(1)}; ${within} of ${sorted.length} partitions within lease + time to live + 1 s = ${BOUND_MS} ms. Left out
are ${disturbed.length} that met a further blow, or workers that had just begun`;
}

function wanted(): Wanted {
  const { values } = readCommandLine(USAGE, {
    backend: { type: "string", default: "memory" },
    kills: { type: "string", default: "20" },
    stops: { type: "string", default: "2" },
    cuts: { type: "string", default: "0" },
    leaders: { type: "string", default: "0" },
    minutes: { type: "string", default: "1440" },
    seed: { type: "string", default: "1" },
  });
  const on = BACKENDS.find((name) => name === values.backend);
  if (on === undefined) refuse(`Option "--backend" must be one of ${BACKENDS.join(", ")}: got "${values.backend}"`);
  const number = (option: "kills" | "stops" | "cuts" | "leaders"): number => wholeNumber(option, values[option], 0);
  const blows = { kill: number("kills"), stop: number("stops"), cut: number("cuts"), leader: number("leaders") };
  if (on === "memory" && blows.cut > 0)
    refuse('Option "--cuts" needs a backend that is reached over a network: got "memory"');
  if (on !== "nats-3" && blows.leader > 0)
    refuse(`Option "--leaders" needs a backend of several servers, "nats-3": got "${on}"`);
  return { on, blows, minutes: wholeNumber("minutes", values.minutes), seed: wholeNumber("seed", values.seed) };
}

/** Runs on networks of its own where workers are to be cut off. Leaves the cuts out, with the reason, where it cannot. */
async function runWanted(): Promise<readonly string[]> {
  const all = wanted();
  if (all.blows.cut === 0) return await run(all, undefined);
  const network = makeNetwork(WORKERS);
  if (!("missing" in network)) {
    using own = network;
    return await run(all, own);
  }
  process.stdout.write(`Skipped: ${all.blows.cut} cuts (${network.missing})\n`);
  return await run({ ...all, blows: { ...all.blows, cut: 0 } }, undefined);
}

const faults = await runWanted();
for (const fault of faults.slice(0, 20)) process.stdout.write(`${fault}\n`);
process.stdout.write(
  faults.length === 0 ? "Nothing lost, nothing doubled: the guarantees hold\n" : `${faults.length} faults\n`,
);
process.exitCode = faults.length === 0 ? 0 : 1;
