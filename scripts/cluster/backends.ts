import type { ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import type { ClusterBackend } from "penguiflow/adapter";
import { hostBackend, ipcChannel, memoryBackend, remoteBackend } from "@penguiflow/cluster";
import { natsBackend } from "@penguiflow/cluster-nats";
import { postgresBackend } from "@penguiflow/state-postgres";
import { Client } from "pg";
import { type NatsCluster, startNats } from "../../packages/cluster-nats/test-integration/own-servers.ts";

export const BACKENDS = ["memory", "postgres", "nats", "nats-3"] as const;
export type BackendName = (typeof BACKENDS)[number];

/** URL of a server, and the schema of one run. */
const POSTGRES = process.env["PENGUIFLOW_POSTGRES"] ?? "postgres://postgres@127.0.0.1:5432/test";

/** The backend of one run, and the way in which worker processes reach it. */
export interface TestedBackend extends AsyncDisposable {
  readonly backend: ClusterBackend;
  /** Variables of the environment of a worker. */
  readonly env: Readonly<Record<string, string>>;
  /** Called for each worker process. */
  serve(worker: ChildProcess): void;
  /** Kills the server that leads one of the backend's logs, and starts it again. Absent where there is but one. */
  readonly killLeader?: () => Promise<void>;
}

/** Opens an empty backend. */
export async function testedBackend(name: BackendName): Promise<TestedBackend> {
  if (name === "postgres") return await inPostgres();
  if (name === "nats") return await inNats(1);
  if (name === "nats-3") return await inNats(3);
  const backend = memoryBackend();
  return {
    backend,
    env: { BACKEND: name },
    serve(worker) {
      const hosting = hostBackend(backend, ipcChannel(worker));
      worker.once("exit", () => hosting[Symbol.dispose]());
    },
    [Symbol.asyncDispose]: async () => await backend[Symbol.asyncDispose](),
  };
}

async function inPostgres(): Promise<TestedBackend> {
  const schema = `kill_${randomUUID()}`;
  const backend = await postgresBackend({ connection: POSTGRES, schema });
  return {
    backend,
    env: { BACKEND: "postgres", SCHEMA: schema },
    serve() {},
    async [Symbol.asyncDispose]() {
      await backend[Symbol.asyncDispose]();
      const admin = new Client(POSTGRES);
      await admin.connect();
      await admin.query(`drop schema "${schema}" cascade`);
      await admin.end();
    },
  };
}

/** Starts servers of its own, one or three. */
async function inNats(count: 1 | 3): Promise<TestedBackend> {
  const started = await startNats(count);
  if ("missing" in started) throw new Error(`Cannot start a NATS server: ${started.missing}`);
  const { servers } = started;
  try {
    const backend = await natsBackend({ servers: servers.split(","), replicas: count });
    return {
      backend,
      env: { BACKEND: "nats", SERVERS: servers },
      serve() {},
      ...(count === 1 ? {} : { killLeader: () => killLeader(started) }),
      async [Symbol.asyncDispose]() {
        await backend[Symbol.asyncDispose]();
        await started[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await started[Symbol.asyncDispose]();
    throw error;
  }
}

const DOWN_MS = 3_000;

async function killLeader(cluster: NatsCluster): Promise<void> {
  const kinds = ["checkpoints", "intake", "results"];
  const name = await cluster.killLeader(`penguiflow_${kinds[Math.floor(Math.random() * kinds.length)]!}`, DOWN_MS);
  process.stdout.write(`${name} killed\n`);
}

/** Opens the backend of the run in a worker process. */
export async function backendOfWorker(): Promise<ClusterBackend> {
  const { BACKEND, SCHEMA = "", SERVERS = "" } = process.env;
  if (BACKEND === "postgres") return await postgresBackend({ connection: POSTGRES, schema: SCHEMA });
  if (BACKEND === "nats") return await natsBackend({ servers: SERVERS.split(",") });
  return remoteBackend(ipcChannel(process));
}
