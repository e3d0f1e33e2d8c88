// Measures the processor time of a trace of ten nodes on each backend, by worker, client and server, and works out how
// many cores a rate needs: `npm run cluster:sizing -- --traces 20000 --rate 10000`. Servers are started for it, on
// loopback. It measures time of processors, not rates: a machine that is busy with other things changes it little.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import os from "node:os";
import path from "node:path";
import { configureLogging } from "penguiflow";
import type { ClusterBackend } from "penguiflow/adapter";
import { type Client, cluster, memoryBackend } from "@penguiflow/cluster";
import { natsBackend } from "@penguiflow/cluster-nats";
import { postgresBackend } from "@penguiflow/state-postgres";
import { startNats } from "../packages/cluster-nats/test-integration/own-servers.ts";
import { startServer } from "../packages/state-postgres/test-integration/own-server.ts";
import { timeOfDescendants } from "./cluster/descendants.ts";
import { sizingOptions } from "./cluster/sizing-options.ts";
import { quickLine } from "./cluster/ten-quick-nodes.ts";
import { readCommandLine, wholeNumber } from "./command-line.ts";

const USAGE = `Usage: npm run cluster:sizing -- [--traces n] [--rate n]

  --traces  traces to measure on each backend, 20000 when left out
  --rate    traces per second whose cores are worked out, 10000 when left out`;

/** Calls at once. */
const AT_ONCE = 500;
const WARM_UP = 2_000;
/** Share of a core that may be in use. */
const TARGET = 0.6;

/** Processor time of a trace, in microseconds. One that is not known by itself is absent. */
interface Figures {
  readonly worker: number;
  readonly client?: number;
  readonly server?: number;
}

/** A backend to measure: how its programs reach it, and the names of the server's processes. */
interface Measured extends AsyncDisposable {
  readonly backend: ClusterBackend;
  readonly env: Readonly<Record<string, string>>;
  readonly processes: string;
}

async function callMany(client: Client, count: number): Promise<void> {
  let left = count;
  const caller = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const passed = await client.call(quickLine, 0);
      if (passed !== 10) throw new Error(`A trace passed ${passed} nodes: expected 10`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, caller));
}

function own(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** Measures client, worker and backend in this process. */
async function inOneProcess(traces: number): Promise<Figures> {
  await using backend = memoryBackend();
  const made = cluster({ ...sizingOptions, backend });
  await using worker = made.worker({ name: "worker" }).run(quickLine);
  await using client = made.client();
  await callMany(client, WARM_UP);
  const before = own();
  await callMany(client, traces);
  if (!worker.health().isLive) throw new Error("The worker has ended");
  return { worker: (own() - before) / traces };
}

/** Measures the client in this process, the worker in another, and the server's own processes. */
async function besideServer({ backend, env, processes }: Measured, traces: number): Promise<Figures> {
  await using client = cluster({ ...sizingOptions, backend }).client();
  const worker = fork(path.join(import.meta.dirname, "cluster/sizing-process.ts"), {
    env: { ...process.env, ...env },
    execArgv: [...process.execArgv],
  });
  try {
    await callMany(client, WARM_UP);
    const before = { client: own(), worker: await timeOf(worker), server: timeOfDescendants(processes) };
    await callMany(client, traces);
    return {
      client: (own() - before.client) / traces,
      worker: ((await timeOf(worker)) - before.worker) / traces,
      server: (timeOfDescendants(processes) - before.server) / traces,
    };
  } finally {
    worker.kill();
    if (worker.exitCode === null && worker.signalCode === null) await once(worker, "exit");
  }
}

async function timeOf(worker: ChildProcess): Promise<number> {
  const told = once(worker, "message");
  worker.send("time");
  return (await told)[0] as number;
}

async function onPostgres(): Promise<Measured | string> {
  const server = await startServer();
  if (server === undefined) return "PostgreSQL is not installed";
  const backend = await postgresBackend({ connection: server.url });
  return {
    backend,
    env: { POSTGRES: server.url },
    processes: "postgres",
    async [Symbol.asyncDispose]() {
      await backend[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

async function onNats(count: 1 | 3): Promise<Measured | string> {
  const started = await startNats(count);
  if ("missing" in started) return started.missing;
  const backend = await natsBackend({ servers: started.servers.split(","), replicas: count });
  return {
    backend,
    env: { NATS: started.servers, REPLICAS: String(count) },
    processes: "nats-server",
    async [Symbol.asyncDispose]() {
      await backend[Symbol.asyncDispose]();
      await started[Symbol.asyncDispose]();
    },
  };
}

/** Measures a backend with a server, or returns why there is none. */
async function measure(open: () => Promise<Measured | string>, traces: number): Promise<Figures | string> {
  const opened = await open();
  if (typeof opened === "string") return opened;
  await using measured = opened;
  return await besideServer(measured, traces);
}

function row(name: string, figures: Figures | string, rate: number): string {
  if (typeof figures === "string") return `${name.padEnd(22)} skipped: ${figures}`;
  const { worker, client, server } = figures;
  const cell = (value: number | undefined): string => (value === undefined ? "-" : value.toFixed(0)).padStart(8);
  const cores = (value: number | undefined): string =>
    (value === undefined ? "-" : ((value * rate) / 1_000_000 / TARGET).toFixed(1)).padStart(8);
  return `${name.padEnd(22)} ${cell(worker)} ${cell(client)} ${cell(server)}   ${cores(worker)} ${cores(server)}`;
}

const { values } = readCommandLine(USAGE, { traces: { type: "string" }, rate: { type: "string" } });
const traces = wholeNumber("traces", values.traces ?? "20000");
const rate = wholeNumber("rate", values.rate ?? "10000");
configureLogging({ level: "error" });
const [load = 0] = os.loadavg();
console.log(
  `Node ${process.versions.node}, ${os.cpus().length} cores, ${os.cpus()[0]?.model}, load ${load.toFixed(0)}`,
);
console.log(
  `µs of processor per trace of 10 nodes, of ${traces}; cores for ${rate} traces/s, ${TARGET * 100} % in use\n`,
);
console.log(
  `${"".padEnd(22)} ${"worker".padStart(8)} ${"client".padStart(8)} ${"server".padStart(8)}   ${"workers".padStart(8)} ${"servers".padStart(8)}`,
);
console.log(row("memory, one process", await inOneProcess(traces), rate));
console.log(row("PostgreSQL", await measure(onPostgres, traces), rate));
console.log(row("NATS, 1 server", await measure(() => onNats(1), traces), rate));
console.log(row("NATS, 3 replicas", await measure(() => onNats(3), traces), rate));
