import type { ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import type { ClusterBackend } from "penguiflow/adapter";
import { hostBackend, ipcChannel, memoryBackend, remoteBackend } from "@penguiflow/cluster";
import { natsBackend } from "@penguiflow/cluster-nats";
import { postgresBackend } from "@penguiflow/state-postgres";
import { Client } from "pg";
import { type NatsCluster, startNats } from "../../packages/cluster-nats/test-integration/own-servers.ts";
import { startServer } from "../../packages/state-postgres/test-integration/own-server.ts";
import { residentOfDescendants } from "./descendants.ts";

export const BACKENDS = ["memory", "postgres", "nats", "nats-3"] as const;
export type BackendName = (typeof BACKENDS)[number];

/** URL of the server that is used when none is started. */
const POSTGRES = process.env["PENGUIFLOW_POSTGRES"] ?? "postgres://postgres@127.0.0.1:5432/test";

/** Contents of a broker. */
export interface BrokerSize {
  /** Bytes in its tables or streams. */
  readonly stored: number;
  /** Rows of the tables, or messages of the streams. */
  readonly items: number;
  /** Bytes of memory of the servers. Absent where they serve others as well. */
  readonly resident?: number;
}

/** The backend of one run, and the way in which worker processes reach it. */
export interface TestedBackend extends AsyncDisposable {
  readonly backend: ClusterBackend;
  /** Variables of the environment of a worker. */
  readonly env: Readonly<Record<string, string>>;
  /** Called for each worker process. */
  serve(worker: ChildProcess): void;
  /** Reads what the broker holds. Absent where it is in this process. */
  readonly size?: () => Promise<BrokerSize>;
  /** Kills the server that leads one of the backend's logs, and starts it again. Absent where there is but one. */
  readonly killLeader?: () => Promise<void>;
}

/**
 * Opens an empty backend.
 *
 * @param host - address of this machine at which servers of its own listen
 */
export async function testedBackend(name: BackendName, host?: string): Promise<TestedBackend> {
  if (name === "postgres") return await inPostgres(host);
  if (name === "nats") return await inNats(1, host);
  if (name === "nats-3") return await inNats(3, host);
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

/** Makes a schema, on a server of its own where it has to listen at an address. */
async function inPostgres(host: string | undefined): Promise<TestedBackend> {
  await using opened = new AsyncDisposableStack();
  let connection = POSTGRES;
  if (host !== undefined) {
    const server = await startServer({ host });
    if (server === undefined) throw new Error("Cannot start PostgreSQL: it is not installed");
    connection = opened.use(server).url;
  }
  const schema = `kill_${randomUUID()}`;
  opened.defer(async () => {
    const admin = new Client(connection);
    await admin.connect();
    await admin.query(`drop schema if exists "${schema}" cascade`);
    await admin.end();
  });
  const backend = opened.use(await postgresBackend({ connection, schema }));
  const rest = opened.move();
  return {
    backend,
    env: { BACKEND: "postgres", SCHEMA: schema, CONNECTION: connection },
    serve() {},
    size: () => sizeOfSchema(connection, schema),
    [Symbol.asyncDispose]: async () => await rest[Symbol.asyncDispose](),
  };
}

async function sizeOfSchema(connection: string, schema: string): Promise<BrokerSize> {
  const client = new Client(connection);
  await client.connect();
  try {
    const found = await client.query<{ stored: number; items: number }>(
      `select coalesce(sum(pg_total_relation_size(relid)), 0)::float8 as stored,
         coalesce(sum(n_live_tup), 0)::float8 as items
       from pg_stat_user_tables where schemaname = $1`,
      [schema],
    );
    return found.rows[0]!;
  } finally {
    await client.end();
  }
}

/** Starts servers of its own, one or three. */
async function inNats(count: 1 | 3, host: string | undefined): Promise<TestedBackend> {
  const started = await startNats(count, host);
  if ("missing" in started) throw new Error(`Cannot start a NATS server: ${started.missing}`);
  const { servers } = started;
  try {
    const backend = await natsBackend({ servers: servers.split(","), replicas: count });
    return {
      backend,
      env: { BACKEND: "nats", SERVERS: servers },
      serve() {},
      size: () => sizeOfStreams(servers),
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

async function sizeOfStreams(servers: string): Promise<BrokerSize> {
  const connection = await connect({ servers: servers.split(",") });
  try {
    const manager = await jetstreamManager(connection);
    const states = (await manager.streams.list().next()).map(({ state }) => state);
    const sum = (pick: (state: (typeof states)[number]) => number): number =>
      states.reduce((total, state) => total + pick(state), 0);
    return {
      stored: sum(({ bytes }) => bytes),
      items: sum(({ messages }) => messages),
      resident: residentOfDescendants("nats-server"),
    };
  } finally {
    await connection.close();
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
  const { BACKEND, SCHEMA = "", CONNECTION = "", SERVERS = "" } = process.env;
  if (BACKEND === "postgres") return await postgresBackend({ connection: CONNECTION, schema: SCHEMA });
  if (BACKEND === "nats") return await natsBackend({ servers: SERVERS.split(",") });
  return remoteBackend(ipcChannel(process));
}
