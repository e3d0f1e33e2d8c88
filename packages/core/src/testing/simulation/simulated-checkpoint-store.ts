import { MemoryCheckpointStore } from "../../memory/memory-checkpoint-store.ts";
import type {
  CheckpointStore,
  CheckpointBatch,
  CheckpointFilter,
  LeaseRequest,
  Checkpoint,
  CheckpointPartition,
  LogRow,
} from "../../ports/checkpoint-store.ts";
import { wrapPartition } from "../kit/wrap-partition.ts";
import type { StoredContents } from "../laws/checkpoint-laws.ts";
import type { SeededSchedule } from "./seeded-schedule.ts";
import type { SimulatedProcess } from "./simulated-process.ts";

/** The facts about a simulated run that its checkpoint store needs. */
export interface CheckpointSetting {
  readonly schedule: SeededSchedule;
  /** Id that distinguishes its partitions. */
  readonly id: string;
  /** Returns the process that opens a partition now. */
  readonly process: () => SimulatedProcess;
  /** Draws the delay of a call, in milliseconds. */
  readonly delayMs: () => number;
  /** Whether the disk refuses a batch or a renewal. */
  readonly refuses: (what: "batch" | "renewal") => boolean;
  /** Whether the disk does not answer a call. */
  readonly hangs: (what: "batch" | "read" | "renewal" | "release") => boolean;
  /** Whether the lease of a dead process must expire first. */
  readonly keepsLease: () => boolean;
  /** Whether the process ends before or after a batch is stored. */
  readonly ends: (when: "before" | "after") => boolean;
  /** Kills a process at its current point. */
  readonly kill: (process: SimulatedProcess) => void;
}

/**
 * An in-memory checkpoint store on a slow disk, for processes that crash: before a batch is stored, after it is stored
 * but before it is acknowledged, or at any other time.
 */
export class SimulatedCheckpointStore implements CheckpointStore {
  readonly #setting: CheckpointSetting;
  readonly #memory: MemoryCheckpointStore;
  /** The clock's `now()` at which the lease of the partition opened last expires. */
  leaseEndsAt = Number.NEGATIVE_INFINITY;
  /** Whether a flow uses the checkpoint store. */
  isUsed = false;
  readonly #partitions = new Map<string, CheckpointPartition>();

  constructor(setting: CheckpointSetting) {
    this.#setting = setting;
    this.#memory = new MemoryCheckpointStore({ clock: setting.schedule.clock });
  }

  open(lease: LeaseRequest): Promise<CheckpointPartition> {
    const process = this.#setting.process();
    this.isUsed = true;
    return this.#do(process, async () => {
      // sometimes the previous process's end goes unnoticed, so its lease must expire first
      if (!this.#setting.keepsLease()) await this.#partitions.get(lease.partition)?.close();
      const partition = await this.#memory.open(lease);
      this.#partitions.set(lease.partition, partition);
      this.#extend(lease.leaseMs);
      process.hasCheckpoints = true;
      return this.#watched(partition, lease, process);
    });
  }

  /** Returns the contents of all partitions, with the rows of these runs' logs and the positions of the intake. */
  async read(runs: ReadonlySet<number>): Promise<StoredContents & { readonly consumed: ReadonlyMap<number, number> }> {
    const entries: Checkpoint[] = [];
    const logs: LogRow[] = [];
    const outcomes = new Set<number>();
    const counts = new Map<string, number>();
    const consumed = new Map<number, number>();
    for (const [partition, last] of this.#partitions) {
      await last.close();
      const now = await this.#memory.open({ partition, owner: "the end of the run", leaseMs: 1 });
      for await (const page of now.read()) entries.push(...page);
      for (const run of runs) logs.push(...(await now.readLog(run)));
      for (const { run } of await now.expiring(Number.POSITIVE_INFINITY)) outcomes.add(run);
      for (const [node, count] of await now.counts()) counts.set(node, (counts.get(node) ?? 0) + count);
      for (const [lane, sequence] of await now.consumed()) consumed.set(lane, sequence);
    }
    return { entries, logs, outcomes, counts, consumed };
  }

  #extend(leaseMs: number): void {
    this.leaseEndsAt = this.#setting.schedule.clock.now() + leaseMs;
  }

  #watched(
    partition: CheckpointPartition,
    { partition: name, leaseMs }: LeaseRequest,
    process: SimulatedProcess,
  ): CheckpointPartition {
    const { id, refuses, hangs, ends, kill } = this.#setting;
    return wrapPartition(partition, {
      id: `${id} ${name}`,
      read: (filter) => this.#read(partition, filter, process),
      nextDueAt: (after) => this.#answer("read", process, () => partition.nextDueAt(after)),
      readLog: (run) => this.#answer("read", process, () => partition.readLog(run)),
      outcomes: (keys) => (hangs("read") ? new Promise(() => {}) : partition.outcomes(keys)),
      append: (batch: CheckpointBatch, expectedSequence: number) => {
        const has = process.records.length;
        return new Promise<number>((resolve, reject) => {
          const store = (): void => {
            if (ends("before")) kill(process);
            else if (refuses("batch")) reject(new Error("Simulated fault: the disk does not take the batch"));
            else if (hangs("batch"))
              partition.append(batch, expectedSequence).then(() => (process.stored = has), reject);
            else partition.append(batch, expectedSequence).then(answer, reject);
          };
          const answer = (sequence: number): void => {
            process.stored = has;
            this.#extend(leaseMs);
            process.soon(() => {
              if (ends("after")) kill(process);
              else resolve(sequence);
            });
          };
          const delayMs = this.#setting.delayMs();
          if (delayMs > 0) process.clock.setTimer(store, delayMs);
          else process.soon(store);
        });
      },
      renew: () =>
        this.#answer("renewal", process, async () => {
          if (refuses("renewal")) throw new Error("Simulated fault: the disk does not take the renewal");
          await partition.renew();
          this.#extend(leaseMs);
        }),
      close: () => this.#answer("release", process, () => partition.close()),
    });
  }

  /** Reads after a while where a flow looks something up, so that much can happen in between. */
  async *#read(
    partition: CheckpointPartition,
    filter: CheckpointFilter | undefined,
    process: SimulatedProcess,
  ): AsyncGenerator<readonly Checkpoint[]> {
    const isLookUp = filter?.isAtRest === true;
    if (isLookUp) await this.#answer("read", process, async () => {});
    for await (const page of partition.read(filter)) {
      yield page;
      if (isLookUp) await this.#do(process, async () => {});
    }
  }

  #answer<Value>(
    what: "read" | "renewal" | "release",
    process: SimulatedProcess,
    act: () => Promise<Value>,
  ): Promise<Value> {
    return this.#setting.hangs(what) ? new Promise(() => {}) : this.#do(process, act);
  }

  #do<Value>(process: SimulatedProcess, act: () => Promise<Value>): Promise<Value> {
    return new Promise((resolve, reject) => process.soon(() => void act().then(resolve, reject)));
  }
}
