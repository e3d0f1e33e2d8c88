// Parts that the subjects of the cluster workloads share: a server of their own and a worker process.
import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startNats } from "../packages/cluster-nats/test-integration/own-servers.ts";
import { startServer } from "../packages/state-postgres/test-integration/own-server.ts";
import { timeOfDescendants } from "../scripts/cluster/descendants.ts";
import { freePort } from "./free-port.ts";
import type { Ask, WorkerSettings } from "./cluster-worker.ts";
import type { ClusterRig, Passed } from "./workloads/cluster.ts";

/** A server with processes of its own. */
export interface Server extends AsyncDisposable {
  readonly address: string;
  /** Beginning of the names of its processes; empty where it has none. */
  readonly processes: string;
  readonly note: string;
}

/** Starts PostgreSQL with its own settings. Returns the reason why it cannot. */
export async function startPostgres(): Promise<Server | string> {
  const server = await startServer({ fsync: true });
  if (server === undefined) return "PostgreSQL is not installed";
  return {
    address: server.url,
    processes: "postgres",
    note: "survives a loss of power; PostgreSQL, fsync on",
    [Symbol.asyncDispose]: async () => await server[Symbol.asyncDispose](),
  };
}

/** Starts NATS servers with their own settings. Returns the reason why it cannot. */
export async function startJetStream(count: 1 | 3): Promise<Server | string> {
  const started = await startNats(count);
  if ("missing" in started) return started.missing;
  return {
    address: started.servers,
    processes: "nats-server",
    note: `survives the end of the processes${count === 1 ? "" : ", and the loss of a server"}; JetStream`,
    [Symbol.asyncDispose]: async () => await started[Symbol.asyncDispose](),
  };
}

/** As BullMQ's page on production advises: the file is synchronised each second, and nothing is evicted. */
const REDIS = ["--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction", "--save", ""];

/** Starts Redis. Returns the reason why it cannot. */
export async function startRedis(): Promise<Server | string> {
  const folder = mkdtempSync(path.join(os.tmpdir(), "penguiflow-redis-"));
  const port = await freePort();
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, ...REDIS];
  const server = spawn("redis-server", args, { stdio: "ignore" });
  const failed = once(server, "error").then(() => "Redis is not installed");
  const reason = await Promise.race([failed, reachable(port)]);
  if (reason !== undefined) {
    rmSync(folder, { recursive: true, force: true });
    return reason;
  }
  return {
    address: String(port),
    processes: "redis-server",
    note: "survives the end of the processes; Redis, appendfsync everysec",
    async [Symbol.asyncDispose]() {
      server.kill("SIGTERM");
      await once(server, "exit");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const SETTINGS: WorkerSettings = { name: "worker", leaseMs: 30_000, maxInFlight: 256, stepMs: 0 };

/** A worker process of a subject. */
export class WorkerProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (value: unknown) => void>();
  #calls = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on("message", ({ call, value }: { readonly call: number; readonly value: unknown }) => {
      this.#waiting.get(call)?.(value);
      this.#waiting.delete(call);
    });
  }

  /** Begins a worker; resolves once it is at work. */
  static async begin(subject: string, address: string, settings = SETTINGS): Promise<WorkerProcess> {
    const program = path.join(import.meta.dirname, "cluster-worker.ts");
    const child = fork(program, [subject, address, JSON.stringify(settings)], {
      execArgv: [...process.execArgv],
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    const ended = once(child, "exit").then(() => undefined);
    if ((await Promise.race([once(child, "message"), ended])) === undefined)
      throw new Error(`The worker of "${subject}" has ended too early`);
    return new WorkerProcess(child);
  }

  /** Returns its processor time so far, in microseconds. */
  async us(): Promise<number> {
    return (await this.#ask({ kind: "time" })) as number;
  }

  /** Has it make requests. */
  async request(ids: readonly number[]): Promise<readonly Passed[]> {
    return (await this.#ask({ kind: "request", ids })) as readonly Passed[];
  }

  /** Has it hand over what it has. */
  async drain(): Promise<void> {
    await this.#ask({ kind: "drain" });
  }

  /** Kills it. Idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await ended;
  }

  async #ask(ask: Ask): Promise<unknown> {
    this.#calls += 1;
    const { promise, resolve } = Promise.withResolvers<unknown>();
    this.#waiting.set(this.#calls, resolve);
    this.#child.send({ call: this.#calls, ask });
    return await promise;
  }
}

/** A client of a subject, where requests are not made in its worker. */
export interface BenchClient {
  request(ids: readonly number[]): Promise<readonly Passed[]>;
  close(): Promise<void>;
}

/** Starts a server and a worker process, and connects a client in this process. */
export async function rigOf(
  subject: string,
  start: () => Promise<Server | string>,
  connectTo?: (address: string) => Promise<BenchClient>,
): Promise<ClusterRig | string> {
  const server = await start();
  if (typeof server === "string") return server;
  await using opened = new AsyncDisposableStack();
  opened.use(server);
  // it creates what it works on
  const client = await connectTo?.(server.address);
  if (client !== undefined) opened.defer(() => client.close());
  const worker = opened.use(await WorkerProcess.begin(subject, server.address));
  const rest = opened.move();
  return {
    note: server.note,
    request: (ids) => (client ?? worker).request(ids),
    workerUs: () => worker.us(),
    serverUs: () => (server.processes === "" ? 0 : timeOfDescendants(server.processes)),
    close: async () => await rest[Symbol.asyncDispose](),
  };
}

const STARTING_MS = 30_000;

/** Waits until a server listens. Returns the reason why it does not. */
async function reachable(port: number): Promise<string | undefined> {
  for (const end = Date.now() + STARTING_MS; Date.now() < end; await sleep(50)) {
    const socket = connect(port, "127.0.0.1");
    const isOpen = await once(socket, "connect").then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (isOpen) return undefined;
  }
  return `it does not listen within ${STARTING_MS} ms`;
}
