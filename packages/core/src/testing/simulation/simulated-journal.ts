import { MemoryJournal } from "../../memory/memory-journal.ts";
import type { Journal, JournalBatch, JournalClaim, JournalEntry, JournalPartition } from "../../ports/journal.ts";
import type { SeededSchedule } from "./seeded-schedule.ts";
import type { SimulatedProcess } from "./simulated-process.ts";

/** What a journal of a simulated run has to know of the run. */
export interface JournalSetting {
  readonly schedule: SeededSchedule;
  /** What its partitions are told apart by. */
  readonly id: string;
  /** The process that opens a partition now. */
  readonly process: () => SimulatedProcess;
  /** By how many milliseconds a call is slow. */
  readonly delayMs: () => number;
  /** Whether the disk does not take a batch, or a renewal. */
  readonly refuses: (what: "batch" | "renewal") => boolean;
  /** Whether the claim of a process that has ended has to run out. */
  readonly keepsClaim: () => boolean;
  /** Whether the process ends before or after a batch is stored. */
  readonly ends: (when: "before" | "after") => boolean;
  /** Ends a process where it stands. */
  readonly kill: (process: SimulatedProcess) => void;
}

/**
 * A journal in memory on a slow disk, in processes that end when they should not: before a batch is stored, when it is
 * and nobody knows yet, or at any other time.
 */
export class SimulatedJournal implements Journal {
  readonly #setting: JournalSetting;
  readonly #memory: MemoryJournal;
  /** Whether a flow makes use of it. */
  isUsed = false;
  readonly #partitions = new Map<string, JournalPartition>();

  constructor(setting: JournalSetting) {
    this.#setting = setting;
    this.#memory = new MemoryJournal({ clock: setting.schedule.clock });
  }

  open(claim: JournalClaim): Promise<JournalPartition> {
    const process = this.#setting.process();
    this.isUsed = true;
    return this.#do(process, async () => {
      // sometimes nobody knows that the process before is gone, and its claim is waited for
      if (!this.#setting.keepsClaim()) await this.#partitions.get(claim.partition)?.close();
      const partition = await this.#memory.open(claim);
      this.#partitions.set(claim.partition, partition);
      process.hasJournal = true;
      return this.#watched(partition, claim.partition, process);
    });
  }

  /** What is in all its partitions. */
  async read(): Promise<{ entries: JournalEntry[]; counts: Map<string, number> }> {
    const entries: JournalEntry[] = [];
    const counts = new Map<string, number>();
    for (const [partition, last] of this.#partitions) {
      await last.close();
      const now = await this.#memory.open({ partition, owner: "the end of the run", leaseMs: 1 });
      for await (const page of now.read()) entries.push(...page);
      for (const [node, count] of await now.counts()) counts.set(node, (counts.get(node) ?? 0) + count);
    }
    return { entries, counts };
  }

  #watched(partition: JournalPartition, name: string, process: SimulatedProcess): JournalPartition {
    const { id, refuses, ends, kill } = this.#setting;
    return {
      id: `${id} ${name}`,
      epoch: partition.epoch,
      sequence: partition.sequence,
      read: () => partition.read(),
      counts: () => partition.counts(),
      append: (batch: JournalBatch, expectedSequence: number) => {
        const has = process.records.length;
        return new Promise<number>((resolve, reject) => {
          const store = (): void => {
            if (ends("before")) kill(process);
            else if (refuses("batch")) reject(new Error("Simulated fault: the disk does not take the batch"));
            else partition.append(batch, expectedSequence).then(answer, reject);
          };
          const answer = (sequence: number): void => {
            process.stored = has;
            process.later(() => {
              if (ends("after")) kill(process);
              else resolve(sequence);
            });
          };
          process.later(store, this.#setting.delayMs());
        });
      },
      renew: () =>
        this.#do(process, async () => {
          if (refuses("renewal")) throw new Error("Simulated fault: the disk does not take the renewal");
          await partition.renew();
        }),
      close: () => this.#do(process, () => partition.close()),
    };
  }

  #do<Value>(process: SimulatedProcess, act: () => Promise<Value>): Promise<Value> {
    return new Promise((resolve, reject) => process.later(() => void act().then(resolve, reject)));
  }
}
