import { MemoryJournal } from "../../memory/memory-journal.ts";
import type { Journal, JournalBatch, JournalClaim, JournalEntry, JournalPartition } from "../../ports/journal.ts";
import type { SeededSchedule } from "./seeded-schedule.ts";
import type { SimulatedProcess } from "./simulated-process.ts";

/** The facts about a simulated run that its journal needs. */
export interface JournalSetting {
  readonly schedule: SeededSchedule;
  /** Id that distinguishes its partitions. */
  readonly id: string;
  /** Returns the process that opens a partition now. */
  readonly process: () => SimulatedProcess;
  /** Draws the delay of a call, in milliseconds. */
  readonly delayMs: () => number;
  /** Whether the disk refuses a batch or a renewal. */
  readonly refuses: (what: "batch" | "renewal") => boolean;
  /** Whether the claim of a dead process must expire first. */
  readonly keepsClaim: () => boolean;
  /** Whether the process ends before or after a batch is stored. */
  readonly ends: (when: "before" | "after") => boolean;
  /** Kills a process at its current point. */
  readonly kill: (process: SimulatedProcess) => void;
}

/**
 * An in-memory journal on a slow disk, for processes that crash: before a batch is stored, after it is stored but
 * before it is acknowledged, or at any other time.
 */
export class SimulatedJournal implements Journal {
  readonly #setting: JournalSetting;
  readonly #memory: MemoryJournal;
  /** Whether a flow uses the journal. */
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
      // sometimes the previous process's end goes unnoticed, so its claim must expire first
      if (!this.#setting.keepsClaim()) await this.#partitions.get(claim.partition)?.close();
      const partition = await this.#memory.open(claim);
      this.#partitions.set(claim.partition, partition);
      process.hasJournal = true;
      return this.#watched(partition, claim.partition, process);
    });
  }

  /** Returns the contents of all partitions. */
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
