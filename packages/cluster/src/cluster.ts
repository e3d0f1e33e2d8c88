import { hostname } from "node:os";
import { defaultLogger, type Logger } from "penguiflow";
import { type ClusterBackend, requireInteger, requireKnownKeys, requireNumber, shown } from "penguiflow/adapter";
import type { FlowRef } from "./client/call.ts";
import { Client } from "./client/client.ts";
import { type Machine, thisMachine } from "./form/machine.ts";
import { type ClusterStatus, readStatus } from "./operations/cluster-status.ts";
import { type ReleaseOptions, writeRelease } from "./operations/release.ts";
import { type RemoteDrainReport, requestDrain } from "./operations/request-drain.ts";
import type { ClusterSettings } from "./worker/settings.ts";
import { Worker } from "./worker/worker.ts";

/** Options of {@link cluster}. All programs of a cluster give the same. */
export interface ClusterOptions {
  /** Name of the cluster in its backend. */
  readonly name: string;
  readonly backend: ClusterBackend;
  /**
   * Shares into which each flow's traces are split: about four times the most workers there will be. It cannot be changed
   * while traces are in flight. @defaultValue 16
   */
  readonly partitions?: number | undefined;
  /** Queues of a partition's intake, to which tenants are spread. @defaultValue 16 */
  readonly lanes?: number | undefined;
  /**
   * Milliseconds after which the partitions of a silent worker go to others: at least four times the longest that its
   * event loop stands still. @defaultValue 10000
   */
  readonly leaseMs?: number | undefined;
  /** Milliseconds for which outcomes are kept. @defaultValue 86400000, a day */
  readonly keepMs?: number | undefined;
  /** @defaultValue the default logger */
  readonly logger?: Logger | undefined;
}

/** Options of a worker. */
export interface WorkerOptions {
  /**
   * Name of the member, unique in the cluster. One that is the same after a restart regains its partitions.
   * @defaultValue host name, process id and random digits
   */
  readonly name?: string | undefined;
  /**
   * Traces in flight in each partition; further ones wait in their lanes. Up to 10 000 that wait for an answer, a signal or
   * an instant do not count. @defaultValue 256
   */
  readonly maxInFlight?: number | undefined;
  /** Milliseconds that handlers have to finish when a partition is handed over. @defaultValue 10000 */
  readonly drainMs?: number | undefined;
  /**
   * Workers in a row that may be lost while a trace is in flight and completes no message. Then it fails with
   * `POISON_MESSAGE`, and `retryFailed` tries it again. `Infinity` lets it try for ever. @defaultValue 5
   */
  readonly maxLostOwners?: number | undefined;
  /** Placements of nodes that it runs, such as `"gpu"`. @defaultValue none */
  readonly offers?: readonly string[] | undefined;
  /** Whether it runs nodes of these placements alone, and no partitions of whole flows. @defaultValue false */
  readonly placedOnly?: boolean | undefined;
}

/** The programs' access to a cluster. Made by {@link cluster}. */
export interface Cluster {
  /** Creates a worker, which begins with its first `run`. @throws TypeError, RangeError */
  worker(options?: WorkerOptions): Worker;
  /** Creates a client. */
  client(): Client;
  /**
   * Lets a version of a flow take the new traces, or a share of them: a canary. Other versions finish what they have, so
   * their workers have to stay until the status of the cluster shows no work of theirs. An id stays with the version
   * that was the first to accept it.
   *
   * @throws FlowError `RELEASE_REFUSED` when no worker runs the version, or workers of another one do not bind the ids of
   *   its traces within `timeoutMs`
   */
  release(flow: Pick<FlowRef<never, unknown>, "name">, version: string, options?: ReleaseOptions): Promise<void>;
  /** Reads the state of the cluster: its flows, members and backend, and what is wrong. */
  status(): Promise<ClusterStatus>;
  /**
   * Asks a member to drain, wherever it runs, and waits until it has left.
   *
   * @param options - `timeoutMs`: how long to wait; the member goes on draining after that. @defaultValue 60000
   * @throws TypeError when there is no member of that name
   */
  drain(member: string, options?: { readonly timeoutMs?: number | undefined }): Promise<RemoteDrainReport>;
}

const OPTIONS = ["name", "backend", "partitions", "lanes", "leaseMs", "keepMs", "logger"];
const MAX_PARTITIONS = 4_096;

/**
 * Describes a cluster: flows whose traces are spread over the workers of many machines.
 *
 * @throws TypeError, RangeError that name the option
 */
export function cluster(options: ClusterOptions): Cluster {
  return clusterOn(thisMachine, options);
}

/** Describes a cluster whose programs run on the given machine. */
export function clusterOn(machine: Machine, options: ClusterOptions): Cluster {
  requireKnownKeys("cluster", options, OPTIONS);
  const { name, backend, partitions = 16, lanes = 16, leaseMs = 10_000, keepMs = 86_400_000 } = options;
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(name))
    throw new TypeError(`Option "name" of cluster must be 1 to 64 of "A-Z a-z 0-9 _ -": got ${JSON.stringify(name)}`);
  requireInteger("partitions", partitions, 1);
  if (partitions > MAX_PARTITIONS)
    throw new RangeError(`Option "partitions" of cluster must be at most ${MAX_PARTITIONS}: got ${partitions}`);
  requireInteger("lanes", lanes, 1);
  requireNumber("leaseMs", leaseMs, 1);
  requireNumber("keepMs", keepMs, 1);
  const settings: ClusterSettings = {
    name,
    backend,
    partitions,
    lanes,
    leaseMs,
    keepMs,
    logger: options.logger ?? defaultLogger,
    machine,
  };
  return {
    worker(given = {}) {
      requireKnownKeys("worker", given, ["name", "maxInFlight", "drainMs", "maxLostOwners", "offers", "placedOnly"]);
      const { maxInFlight = 256, drainMs = 10_000, maxLostOwners = 5, offers = [], placedOnly = false } = given;
      if (!Array.isArray(offers) || offers.some((offer) => typeof offer !== "string" || offer.trim() === ""))
        throw new TypeError(`Option "offers" of worker must be a list of placements: got ${shown(offers)}`);
      if (placedOnly && offers.length === 0)
        throw new TypeError('Option "placedOnly" of worker needs "offers": the worker would run nothing');
      const member = given.name ?? `${hostname()}-${process.pid}-${machine.newId(3)}`;
      requireInteger("maxInFlight", maxInFlight, 1);
      requireNumber("drainMs", drainMs, 0);
      if (maxLostOwners !== Number.POSITIVE_INFINITY) requireInteger("maxLostOwners", maxLostOwners, 2);
      return new Worker({ ...settings, member, maxInFlight, drainMs, maxLostOwners, offers, isPlacedOnly: placedOnly });
    },
    client: () => new Client(settings),
    async release(flow, version, given = {}) {
      requireKnownKeys("release", given, ["share", "timeoutMs"]);
      await writeRelease(settings, flow.name, version, given);
    },
    status: () => readStatus(settings),
    async drain(member, given = {}) {
      requireKnownKeys("drain", given, ["timeoutMs"]);
      const { timeoutMs = 60_000 } = given;
      requireNumber("timeoutMs", timeoutMs, 0);
      return await requestDrain(settings, member, timeoutMs);
    },
  };
}
