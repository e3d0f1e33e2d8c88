import { setTimeout as sleep } from "node:timers/promises";

/** A partition whose owner was killed. */
interface Orphan {
  readonly killedAt: number;
  /** Whether the time counts: the other workers were at work, and nothing else happened meanwhile. */
  isCalm: boolean;
}

const POLL_MS = 20;

/** Measures the time from a kill until the traces of a partition make progress elsewhere. */
export class Takeovers {
  /** Milliseconds of each takeover that nothing else disturbed. */
  readonly calm: number[] = [];
  /** Milliseconds of the others. */
  readonly disturbed: number[] = [];
  /** Number of kills whose worker had partitions. */
  hits = 0;
  /** Process that stored the last batch of each partition. */
  readonly #owners = new Map<string, number>();
  readonly #orphans = new Map<string, Orphan>();

  /** Notes that a process has stored a batch of a partition. */
  progress(pid: number, partition: string): void {
    this.#owners.set(partition, pid);
    const orphan = this.#orphans.get(partition);
    if (orphan === undefined) return;
    this.#orphans.delete(partition);
    (orphan.isCalm ? this.calm : this.disturbed).push(performance.now() - orphan.killedAt);
  }

  /** Whether a process stored the last batch of a partition. */
  owns(pid: number): boolean {
    return [...this.#owners.values()].includes(pid);
  }

  /** Notes that processes are killed now. */
  killed(pids: readonly number[], isCalm: boolean): void {
    this.disturb();
    for (const pid of pids) if (this.owns(pid)) this.hits += 1;
    for (const [partition, owner] of this.#owners) {
      if (!pids.includes(owner)) continue;
      this.#owners.delete(partition);
      this.#orphans.set(partition, { killedAt: performance.now(), isCalm });
    }
  }

  /** Notes that something else happens now. */
  disturb(): void {
    for (const orphan of this.#orphans.values()) orphan.isCalm = false;
  }

  /** Waits until all partitions make progress, but no longer than so many milliseconds. */
  async settled(withinMs: number): Promise<void> {
    for (const end = performance.now() + withinMs; this.#orphans.size > 0 && performance.now() < end;)
      await sleep(POLL_MS);
  }
}
