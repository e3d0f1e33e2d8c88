import { setTimeout as sleep } from "node:timers/promises";
import {
  DiscardPolicy,
  jetstream,
  JetStreamApiError,
  jetstreamManager,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from "@nats-io/jetstream";
import { connect, errors, type NatsConnection } from "@nats-io/transport-node";
import type { ClusterBackend } from "penguiflow/adapter";
import { Broker } from "./broker.ts";
import { NatsCheckpointStore } from "./checkpoints/nats-checkpoint-store.ts";
import { streamsOf } from "./names.ts";
import { readFigures } from "./nats-figures.ts";
import { NatsIntake } from "./nats-intake.ts";
import { NatsRegistry } from "./nats-registry.ts";
import { NatsResultStore } from "./nats-result-store.ts";
import { NatsWire } from "./nats-wire.ts";
import { type NatsBackendOptions, type ResolvedOptions, resolveOptions } from "./options.ts";
import { requireVersion } from "./server-version.ts";

const RECONNECT_MS = 250;
/** Milliseconds between two signs of life; a server that has not given two is left. */
const PING_MS = 5_000;
const CLOSING_MS = 1_000;
const STREAM_NOT_FOUND = 10_059;
const STREAM_EXISTS = 10_058;

/**
 * Connects a cluster to NATS JetStream 2.11 or newer, and creates its four streams where they are missing.
 *
 * @throws TypeError, RangeError when an option is unknown, of the wrong kind or out of range
 * @throws Error when no server can be reached, when it is too old, or when it has no JetStream
 */
export async function natsBackend(options: NatsBackendOptions): Promise<ClusterBackend> {
  const resolved = resolveOptions(options);
  const { name, patienceMs } = resolved;
  const connection = await reach(resolved);
  try {
    const warning = requireVersion(connection.info?.version ?? "0", connection.getServer());
    if (warning !== undefined) resolved.logger.warn("nats_server_old", { warning });
    if (connection.info?.jetstream !== true)
      throw new Error(
        `Cannot use the NATS server at ${connection.getServer()}: JetStream is not enabled on it; start it with "-js"`,
      );
    const manager = await jetstreamManager(connection, { checkAPI: false });
    const broker = new Broker(connection, jetstream(connection), manager, patienceMs);
    await createStreams(broker, manager, resolved);
    return assemble(broker, name);
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/** Connects to one of the servers, as soon as one is there. */
async function reach({ servers, authentication, patienceMs }: ResolvedOptions): Promise<NatsConnection> {
  for (const end = performance.now() + patienceMs; ; await sleep(RECONNECT_MS)) {
    try {
      return await connect({
        name: "penguiflow",
        // else each request creates errors with stack traces, in case it fails: a tenth of a worker's processor time
        noAsyncTraces: true,
        pingInterval: PING_MS,
        maxReconnectAttempts: -1,
        reconnectTimeWait: RECONNECT_MS,
        ...authentication,
        servers,
      });
    } catch (error) {
      const mayPass = error instanceof errors.ConnectionError || error instanceof errors.TimeoutError;
      if (mayPass && performance.now() + RECONNECT_MS < end) continue;
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`Cannot connect to NATS at ${servers.join(", ")}: ${why}`, { cause: error });
    }
  }
}

function assemble(broker: Broker, name: string): ClusterBackend {
  const { connection, bodyBytes } = broker;
  const streams = streamsOf(name);
  const wire = new NatsWire(connection, name);
  const intake = new NatsIntake(broker, streams.intake, name, wire);
  return {
    checkpoints: new NatsCheckpointStore(broker, streams, name),
    intake,
    results: new NatsResultStore(broker, streams.results, name),
    registry: new NatsRegistry(broker, streams.registry, name, wire),
    wire,
    limits: { offerBytes: bodyBytes },
    figures: () => readFigures(broker, streams),
    async [Symbol.asyncDispose]() {
      intake[Symbol.dispose]();
      await close(connection);
    },
  };
}

/** Sends what is left, unless no server takes it, and closes the connection. */
async function close(connection: NatsConnection): Promise<void> {
  if (connection.isClosed()) return;
  await Promise.race([connection.flush().catch(() => {}), sleep(CLOSING_MS, undefined, { ref: false })]);
  await connection.close();
}

async function createStreams(broker: Broker, manager: JetStreamManager, options: ResolvedOptions): Promise<void> {
  const { name, replicas, maxItems } = options;
  const base = {
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.New,
    num_replicas: replicas,
    allow_direct: true,
  };
  const last = { ...base, max_msgs_per_subject: 1, discard: DiscardPolicy.Old, allow_msg_ttl: true };
  const streams = streamsOf(name);
  const wanted: (Partial<StreamConfig> & { readonly name: string })[] = [
    { ...base, name: streams.checkpoints, subjects: [`${name}.checkpoint.*`, `${name}.part.*.*.*`] },
    {
      ...base,
      name: streams.intake,
      subjects: [`${name}.in.*.*.*`, `${name}.lane.*.*`],
      max_msgs: maxItems,
      // a stream that is made anew goes on behind the positions that checkpoints have of the old one
      first_seq: Date.now() * 1_000,
    },
    { ...last, name: streams.results, subjects: [`${name}.result.*`, `${name}.resultpart.*.*.*`] },
    { ...last, name: streams.registry, subjects: [`${name}.registry.*`, `${name}.lease.*`] },
  ];
  await Promise.all(
    wanted.map(async (config) => {
      try {
        const { subjects: present } = (await broker.patiently(() => manager.streams.info(config.name))).config;
        const { subjects = [] } = config;
        // a stream of an earlier version
        if (subjects.some((subject) => !present.includes(subject)))
          await broker.patiently(() => manager.streams.update(config.name, { subjects }));
      } catch (error) {
        if (!(error instanceof JetStreamApiError) || error.code !== STREAM_NOT_FOUND) throw error;
        await create(broker, manager, config);
      }
    }),
  );
}

async function create(
  broker: Broker,
  manager: JetStreamManager,
  config: Partial<StreamConfig> & { readonly name: string },
): Promise<void> {
  try {
    await broker.patiently(() => manager.streams.add(config));
  } catch (error) {
    // another process has created it
    if (!(error instanceof JetStreamApiError) || error.code !== STREAM_EXISTS) throw error;
  }
}
