import {
  type CheckpointPartition,
  type Clock,
  FlowError,
  FlowErrorCode,
  type SharedLease,
  type SharingCheckpointStore,
} from "penguiflow";
import type { ClusterBackend, ResultStore, StoredResult } from "penguiflow/adapter";
import { groupOf } from "../form/place.ts";
import { RecentDurations } from "./recent.ts";

/** Figures of one version of a flow on a worker, since the worker began. */
export class GroupMeter {
  readonly appends: RecentDurations = new RecentDurations();
  /** Number of times that a partition was acquired. */
  acquired = 0;
  /** Number of traces whose final result this worker has stored. */
  ended = 0;
  /** Number of appends and renewals that were refused, because another worker has the partition. */
  fenced = 0;
  /** Number of final results that were refused, because one was there. */
  superseded = 0;
  /** Held partitions by name. */
  readonly open: Map<string, CheckpointPartition> = new Map();
}

/** Counts and times a worker's calls of its backend. */
export class Meter {
  readonly #clock: Clock;
  readonly #groups = new Map<string, GroupMeter>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Returns the figures of a flow and version, `orders@1`. */
  of(group: string): GroupMeter {
    const known = this.#groups.get(group) ?? new GroupMeter();
    this.#groups.set(group, known);
    return known;
  }

  /** Begins the next period of percentiles, if it is time. */
  turn(): void {
    for (const { appends } of this.#groups.values()) appends.turn(this.#clock.now());
  }

  /** Returns a backend that this meter sees. */
  measured(backend: ClusterBackend): ClusterBackend {
    const { intake, registry, wire, limits } = backend;
    return {
      checkpoints: this.#checkpoints(backend),
      results: this.#results(backend),
      intake,
      registry,
      wire,
      limits,
      [Symbol.asyncDispose]: async () => await backend[Symbol.asyncDispose](),
    };
  }

  #checkpoints({ checkpoints }: ClusterBackend): SharingCheckpointStore {
    return {
      share: async (request) => this.#measuredLease(await checkpoints.share(request)),
      open: async (lease) => {
        const group = this.of(groupOf(lease.partition));
        const partition = await checkpoints.open(lease);
        group.acquired += 1;
        const measured = new MeasuredPartition(partition, group, lease.partition, this.#clock);
        group.open.set(lease.partition, measured);
        return measured;
      },
    };
  }

  /** Returns a lease whose refusal counts for each partition that is open under it. */
  #measuredLease(lease: SharedLease): SharedLease {
    return {
      id: lease.id,
      renew: async () => {
        try {
          await lease.renew();
        } catch (error) {
          if (isFenced(error)) for (const group of this.#groups.values()) group.fenced += group.open.size;
          throw error;
        }
      },
      close: () => lease.close(),
    };
  }

  #results({ results }: ClusterBackend): ResultStore {
    return {
      get: (keys, read) => results.get(keys, read),
      forget: (kept) => results.forget(kept),
      put: async (all) => {
        const answers = await results.put(all);
        for (const [index, result] of all.entries()) this.#count(result, answers[index]!);
        return answers;
      },
    };
  }

  #count({ key, isFinal }: StoredResult, answer: number | "superseded"): void {
    if (!isFinal) return;
    const group = this.of(groupOf(key.partition));
    if (answer === "superseded") group.superseded += 1;
    else group.ended += 1;
  }
}

/** A partition whose appends are timed, and whose refusals are counted. */
class MeasuredPartition implements CheckpointPartition {
  readonly #partition: CheckpointPartition;
  readonly #group: GroupMeter;
  readonly #name: string;
  readonly #clock: Clock;

  constructor(partition: CheckpointPartition, group: GroupMeter, name: string, clock: Clock) {
    this.#partition = partition;
    this.#group = group;
    this.#name = name;
    this.#clock = clock;
  }

  get id(): CheckpointPartition["id"] {
    return this.#partition.id;
  }

  get fencingToken(): CheckpointPartition["fencingToken"] {
    return this.#partition.fencingToken;
  }

  get sequence(): CheckpointPartition["sequence"] {
    return this.#partition.sequence;
  }

  get size(): CheckpointPartition["size"] {
    return this.#partition.size;
  }

  read: CheckpointPartition["read"] = (filter) => this.#partition.read(filter);
  countAtRest: CheckpointPartition["countAtRest"] = () => this.#partition.countAtRest();
  nextDueAt: CheckpointPartition["nextDueAt"] = (after) => this.#partition.nextDueAt(after);
  readLog: CheckpointPartition["readLog"] = (run) => this.#partition.readLog(run);
  counts: CheckpointPartition["counts"] = () => this.#partition.counts();
  outcomes: CheckpointPartition["outcomes"] = (keys) => this.#partition.outcomes(keys);
  expiring: CheckpointPartition["expiring"] = (limit) => this.#partition.expiring(limit);
  consumed: CheckpointPartition["consumed"] = () => this.#partition.consumed();

  async append(...args: Parameters<CheckpointPartition["append"]>): Promise<number> {
    const { appends } = this.#group;
    const startedAt = this.#clock.now();
    try {
      return await this.#fencedOr(this.#partition.append(...args));
    } finally {
      appends.record(this.#clock.now() - startedAt);
    }
  }

  async renew(): Promise<void> {
    await this.#fencedOr(this.#partition.renew());
  }

  async close(): Promise<void> {
    this.#forget();
    await this.#partition.close();
  }

  #forget(): void {
    const { open } = this.#group;
    if (open.get(this.#name) === this) open.delete(this.#name);
  }

  /** Settles as a call does. Counts it when it was refused. */
  async #fencedOr<Value>(call: Promise<Value>): Promise<Value> {
    try {
      return await call;
    } catch (error) {
      if (isFenced(error)) {
        this.#group.fenced += 1;
        this.#forget();
      }
      throw error;
    }
  }
}

const isFenced = (error: unknown): boolean =>
  error instanceof FlowError && error.code === FlowErrorCode.PARTITION_FENCED;
