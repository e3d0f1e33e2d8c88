import { randomUUID } from "node:crypto";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import type { ClusterBackend } from "penguiflow/adapter";
import { natsBackend, type NatsBackendOptions } from "@penguiflow/cluster-nats";
import { startNats } from "./own-servers.ts";
import type { NeededServer } from "../../../scripts/test-servers.ts";

/** Server declaration for scripts/test-servers.ts. */
export const server: NeededServer = {
  name: "NATS 2.11",
  variable: "PENGUIFLOW_NATS",
  url: "nats://127.0.0.1:4222",
  async reach(url) {
    const connection = await connect({ servers: new URL(url).host, timeout: 5_000 });
    const { version = "" } = connection.info ?? {};
    await connection.close();
    const [major = 0, minor = 0] = version.split(".").map(Number);
    if (major < 2 || (major === 2 && minor < 11)) throw new Error(`it has version ${version}`);
  },
  async start() {
    const started = await startNats(1);
    if ("missing" in started) {
      process.stdout.write(`NATS 2.11: ${started.missing}\n`);
      return undefined;
    }
    return { url: `nats://${started.servers}`, [Symbol.asyncDispose]: () => started[Symbol.asyncDispose]() };
  },
};

/** Address of the server. */
export const servers: string = new URL(process.env[server.variable] ?? server.url).host;

/** Opens a backend whose streams are removed with it. */
export async function testBackend(options: Partial<NatsBackendOptions> = {}): Promise<ClusterBackend> {
  const name = `test_${randomUUID()}`;
  const at = options.servers ?? servers;
  const backend = await natsBackend({ servers: at, name, ...options });
  return {
    ...backend,
    async [Symbol.asyncDispose]() {
      await backend[Symbol.asyncDispose]();
      await removeStreams(at, name);
    },
  };
}

/** Removes the streams of a backend. */
export async function removeStreams(at: string | readonly string[], name: string): Promise<void> {
  const connection = await connect({ servers: typeof at === "string" ? at.split(",") : [...at] });
  try {
    const manager = await jetstreamManager(connection);
    for (const kind of ["checkpoints", "intake", "results", "registry"])
      await manager.streams.delete(`${name}_${kind}`).catch(() => {});
  } finally {
    await connection.close();
  }
}
