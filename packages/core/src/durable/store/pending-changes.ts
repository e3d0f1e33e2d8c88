import type { Checkpoint } from "../../ports/checkpoint-store.ts";
import type { Trace } from "../../engine/state/trace.ts";
import type { Worker } from "../../engine/state/worker.ts";
import { markOf } from "./mark.ts";

/** Changes for the next batch. */
export class PendingChanges {
  #changed: Trace[] = [];
  /** Entries and runs to store and remove although their traces are not in flight. */
  #put: Checkpoint[] = [];
  #removed: number[] = [];
  /** Runs of outcomes that are kept no longer. */
  #forgotten: number[] = [];
  /** Messages completed since the last batch, by node index. */
  #done: number[] = [];

  /** Whether the next batch is due for what it stores. */
  get isDue(): boolean {
    return this.#changed.length + this.#put.length + this.#removed.length + this.#forgotten.length > 0;
  }

  /** Adds an outermost trace. Returns whether it was not among the changed ones. */
  change(trace: Trace): boolean {
    const mark = markOf(trace);
    if (mark.hasChanged) return false;
    mark.hasChanged = true;
    this.#changed.push(trace);
    return true;
  }

  /** Ignores all further changes of a trace. */
  ignore(trace: Trace): void {
    // as if it were in the list for good: whatever still refers to it must not change its checkpoint
    markOf(trace).hasChanged = true;
  }

  put(entry: Checkpoint): void {
    this.#put.push(entry);
  }

  remove(runs: readonly number[]): void {
    this.#removed.push(...runs);
  }

  forget(runs: readonly number[]): void {
    this.#forgotten.push(...runs);
  }

  /** Counts a completed message at its node. */
  done({ index }: Worker): void {
    this.#done[index] = (this.#done[index] ?? 0) + 1;
  }

  /** Removes and returns the entries and runs for a batch that begins. */
  take(): { readonly put: Checkpoint[]; readonly remove: number[]; readonly forget: number[] } {
    return { put: this.#put.splice(0), remove: this.#removed.splice(0), forget: this.#forgotten.splice(0) };
  }

  /** Removes and returns the changed traces. Each still counts as changed until {@link PendingChanges.storing}. */
  takeTraces(): Trace[] {
    return this.#changed.splice(0);
  }

  /** Notes that a taken trace is being stored: it can change again from now on. */
  storing(trace: Trace): void {
    markOf(trace).hasChanged = false;
  }

  /** Removes and returns the numbers of completed messages, by node. */
  takeCounts(workers: readonly Worker[]): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { index, name } of workers) {
      const count = this.#done[index] ?? 0;
      if (count > 0) counts.set(name, count);
    }
    this.#done = [];
    return counts;
  }
}
