// Runs a cluster under load for a long time, and kills one of its workers each minute: `npm run cluster:soak --
// --minutes 60`. The memory of a worker that is never killed, of the client and of the broker must not grow once what
// is kept for a while is trimmed, and the guarantees must hold. Prints a line each minute.
import { setTimeout as sleep } from "node:timers/promises";
import { cluster } from "@penguiflow/cluster";
import { type BackendName, BACKENDS, type TestedBackend, testedBackend } from "./cluster/backends.ts";
import { Caller } from "./cluster/calling.ts";
import { check } from "./cluster/final-state.ts";
import { Fleet } from "./cluster/fleet.ts";
import { HistoryFolder, historyFileIn } from "./cluster/history-file.ts";
import { grown, type Sample, shown } from "./cluster/samples.ts";
import { LEASE_MS, PARTITIONS, WORKERS } from "./cluster/settings.ts";
import { readCommandLine, refuse, wholeNumber } from "./command-line.ts";

const USAGE = `Usage: npm run cluster:soak -- [--backend name] [--minutes n] [--rate n]

  --backend  postgres, nats or nats-3 (three servers), postgres when left out
  --minutes  minutes to run, 60 when left out
  --rate     calls per second, 20 when left out`;

const APP = "soak";
/** Milliseconds for which results of given ids are kept. */
const KEEP_MS = 60_000;
const MINUTE_MS = 60_000;
/** Number of the worker that is never killed. */
const VETERAN = 0;
/** Milliseconds after the last call in which every call must be answered. */
const SETTLE_MS = 120_000;

interface Wanted {
  readonly on: BackendName;
  readonly minutes: number;
  readonly rate: number;
}

async function run({ on, minutes, rate }: Wanted): Promise<readonly string[]> {
  // a server of its own has the settings that it comes with: one without autovacuum would grow for ever
  await using tested = await testedBackend(on, "127.0.0.1");
  const { backend } = tested;
  const app = cluster({ name: APP, backend, partitions: PARTITIONS, leaseMs: LEASE_MS, keepMs: KEEP_MS });
  await using client = app.client();
  using history = new HistoryFolder();
  const caller = new Caller(APP, historyFileIn(history.path));
  const samples: Sample[] = [];
  {
    await using fleet = new Fleet(tested, { name: APP, history: history.path });
    const calls = new Set<Promise<void>>();
    const calling = setInterval(() => {
      // every other one has an id of its own, whose result is kept for a while
      const call = caller.next(client, caller.called % 2 === 0).finally(() => calls.delete(call));
      calls.add(call);
    }, 1_000 / rate);
    for (let minute = 1; minute <= minutes; minute += 1) {
      await sleep(MINUTE_MS / 2);
      await fleet.kill(1 + (minute % (WORKERS - 1)));
      await sleep(MINUTE_MS / 2);
      const sizes = await measure(fleet, tested).catch((error: unknown) => `not measured: ${String(error)}`);
      if (typeof sizes !== "string") samples.push(sizes);
      const text = typeof sizes === "string" ? sizes : shown(sizes);
      process.stdout.write(`minute ${minute}: ${caller.answered} of ${caller.called} answered; ${text}\n`);
    }
    clearInterval(calling);
    // a closed client gives up what it waits for, which is lost then
    const givingUp = setTimeout(() => void client[Symbol.asyncDispose](), SETTLE_MS);
    await Promise.all(calls);
    clearTimeout(givingUp);
    // a result is told before the batch that removes its trace is stored
    await sleep(2 * LEASE_MS);
    const { calm } = fleet.takeovers;
    process.stdout.write(
      `${calm.length} takeovers, the longest after ${Math.round(Math.max(0, ...calm))} ms; ` +
        `${fleet.ended} workers ended by themselves\n`,
    );
  }
  const events = history.read();
  process.stdout.write(`${caller.called} traces, ${events.length} events, ${minutes} kills\n`);
  return [...caller.wrong, ...(await check(APP, backend, events)), ...grown(samples)];
}

async function measure(fleet: Fleet, tested: TestedBackend): Promise<Sample> {
  globalThis.gc?.();
  const client = process.memoryUsage().heapUsed;
  return { client, worker: (await fleet.memory(VETERAN)).heap, ...(await tested.size?.()) };
}

function wanted(): Wanted {
  const { values } = readCommandLine(USAGE, {
    backend: { type: "string", default: "postgres" },
    minutes: { type: "string", default: "60" },
    rate: { type: "string", default: "20" },
  });
  const on = BACKENDS.find((name) => name === values.backend && name !== "memory");
  if (on === undefined) refuse(`Option "--backend" must be one of postgres, nats, nats-3: got "${values.backend}"`);
  return { on, minutes: wholeNumber("minutes", values.minutes), rate: wholeNumber("rate", values.rate) };
}

const faults = await run(wanted());
for (const fault of faults.slice(0, 20)) process.stdout.write(`${fault}\n`);
process.stdout.write(
  faults.length === 0 ? "Nothing lost, nothing doubled, memory is flat: all is well\n" : `${faults.length} faults\n`,
);
process.exitCode = faults.length === 0 ? 0 : 1;
