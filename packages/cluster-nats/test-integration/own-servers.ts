// Starts NATS servers for tests and programs: one, or a cluster of them, each with its files in a folder of its own.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import os from "node:os";
import path from "node:path";
import { connect } from "@nats-io/transport-node";
import { jetstreamManager } from "@nats-io/jetstream";
import { natsServer } from "../../../scripts/nats-server.ts";

const STARTING_MS = 60_000;

/** Servers that a program has started. */
export interface NatsCluster extends AsyncDisposable {
  /** Addresses, separated by commas. */
  readonly servers: string;
  /** Kills the server that leads a stream, and starts it again after a while. Returns its name. */
  killLeader(stream: string, downMs: number): Promise<string>;
}

/** Starts so many servers at an address of this machine; returns the reason why it cannot. */
export async function startNats(count: 1 | 3, host = "127.0.0.1"): Promise<NatsCluster | { readonly missing: string }> {
  const found = await natsServer();
  if ("missing" in found) return found;
  const folder = mkdtempSync(path.join(os.tmpdir(), "penguiflow-nats-"));
  const ports = await freePorts(2 * count);
  const [clients, routes] = [ports.slice(0, count), ports.slice(count)];
  const running = new Map<string, ChildProcess>();
  const start = (index: number): void => {
    const name = nameOf(index);
    const cluster =
      count === 1
        ? ""
        : `cluster { name: tests, listen: "127.0.0.1:${routes[index]}", routes: [${routes.map((port) => `"nats://127.0.0.1:${port}"`).join(", ")}] }\n`;
    const file = path.join(folder, `${name}.conf`);
    writeFileSync(
      file,
      `server_name: ${name}\nlisten: "${host}:${clients[index]}"\njetstream { store_dir: ${JSON.stringify(path.join(folder, name))} }\n${cluster}`,
    );
    running.set(name, spawn(found.program, ["-c", file], { stdio: "ignore" }));
  };
  const stop = async (name: string): Promise<void> => {
    const server = running.get(name)!;
    if (server.exitCode !== null || server.signalCode !== null) return;
    const ended = once(server, "exit");
    server.kill("SIGKILL");
    await ended;
  };
  const servers = clients.map((port) => `${host}:${port}`).join(",");
  const killAll = (): void => {
    for (const server of running.values()) server.kill("SIGKILL");
  };
  // a program that ends early leaves none behind
  process.once("exit", killAll);
  const dispose = async (): Promise<void> => {
    process.off("exit", killAll);
    await Promise.all([...running.keys()].map(stop));
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    for (let index = 0; index < count; index += 1) start(index);
    await ready(servers, count);
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    servers,
    async killLeader(stream, downMs) {
      const name = await leaderOf(servers, stream);
      await stop(name);
      await new Promise((resolve) => setTimeout(resolve, downMs));
      start(Number(name.slice(NAME.length)));
      return name;
    },
    [Symbol.asyncDispose]: dispose,
  };
}

const NAME = "server-";
const nameOf = (index: number): string => `${NAME}${index}`;

/** Returns the name of the server that leads a stream, as soon as there is one. */
async function leaderOf(servers: string, stream: string): Promise<string> {
  return await eventually(async () => {
    const connection = await connect({ servers: servers.split(","), timeout: 2_000 });
    try {
      const manager = await jetstreamManager(connection, { checkAPI: false });
      const { cluster } = await manager.streams.info(stream);
      if (cluster?.leader === undefined) throw new Error(`Stream "${stream}" has no leader`);
      return cluster.leader;
    } finally {
      await connection.close();
    }
  });
}

/** Waits until JetStream works with all replicas. */
async function ready(servers: string, replicas: number): Promise<void> {
  await eventually(async () => {
    const connection = await connect({ servers: servers.split(","), timeout: 2_000 });
    try {
      const manager = await jetstreamManager(connection);
      await manager.streams.add({ name: "probe", subjects: ["probe"], num_replicas: replicas });
      await manager.streams.delete("probe");
    } finally {
      await connection.close();
    }
  });
}

/** Calls until it succeeds, for a while. */
async function eventually<Value>(call: () => Promise<Value>): Promise<Value> {
  for (const end = Date.now() + STARTING_MS; ;) {
    try {
      return await call();
    } catch (error) {
      if (Date.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

async function freePorts(count: number): Promise<number[]> {
  const held = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, "127.0.0.1");
      await once(server, "listening");
      return server;
    }),
  );
  const ports = held.map((server) => (server.address() as AddressInfo).port);
  for (const server of held) {
    server.close();
    await once(server, "close");
  }
  return ports;
}
