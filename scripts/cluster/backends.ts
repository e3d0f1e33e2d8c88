import type { ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import type { ClusterBackend } from "penguiflow/adapter";
import { hostBackend, ipcChannel, memoryBackend, remoteBackend } from "@penguiflow/cluster";
import { postgresBackend } from "@penguiflow/state-postgres";
import { Client } from "pg";

export const BACKENDS = ["memory", "postgres"] as const;
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
}

/** Opens an empty backend. */
export async function testedBackend(name: BackendName): Promise<TestedBackend> {
  if (name === "postgres") return await inPostgres();
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

/** Opens the backend of the run in a worker process. */
export async function backendOfWorker(): Promise<ClusterBackend> {
  if (process.env["BACKEND"] !== "postgres") return remoteBackend(ipcChannel(process));
  return await postgresBackend({ connection: POSTGRES, schema: process.env["SCHEMA"]! });
}
