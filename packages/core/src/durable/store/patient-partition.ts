import type { Timer, TimerWheel } from "../../foundation/timer-wheel.ts";
import type { TraceKey } from "../../ports/state-store.ts";
import type {
  Checkpoint,
  CheckpointBatch,
  CheckpointFilter,
  CheckpointPartition,
  LogRow,
  StoredOutcome,
} from "../../ports/checkpoint-store.ts";

/** Parts of a wait: a suspension of the process counts as one of them at most, since its timers run before its I/O. */
const PARTS = 4;
/** Leases after which a read is given up although the lease is kept: of several connections, one may hang. */
const LONGEST_READ = 4;

/** Error of a call that the checkpoint store has not answered in time. */
export class Unanswered extends Error {
  constructor(what: string, limitMs: number) {
    super(`it has not answered ${what} for ${limitMs} ms`);
  }
}

/** Limits the time of the calls of a checkpoint store, which may never answer. */
export class Patience {
  readonly #timers: Pick<TimerWheel, "after">;
  readonly #limitMs: number;

  constructor(timers: Pick<TimerWheel, "after">, limitMs: number) {
    this.#timers = timers;
    this.#limitMs = limitMs;
  }

  /**
   * Settles as the call does, or rejects with {@link Unanswered}.
   *
   * @param mayGoOn - whether it is waited for longer, after so many times the limit. @defaultValue never
   */
  wait<Answer>(
    what: string,
    call: () => Promise<Answer>,
    mayGoOn: (waits: number) => boolean = never,
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      let timer: Timer | undefined;
      const wait = (parts: number): void => {
        timer = this.#timers.after(this.#limitMs / PARTS, () => {
          const waits = parts / PARTS;
          if (waits < 1 || mayGoOn(waits)) wait(parts + 1);
          else reject(new Unanswered(what, waits * this.#limitMs));
        });
      };
      const answered = call();
      wait(1);
      void answered.then(resolve, reject).finally(() => timer?.cancel());
    });
  }
}

const never = (): boolean => false;

/** A partition whose every call is answered or given up. A read is waited for longer, as long as the lease is kept. */
export class PatientPartition implements CheckpointPartition {
  readonly id: string;
  readonly fencingToken: number;
  readonly sequence: number;
  readonly #partition: CheckpointPartition;
  readonly #patience: Patience;
  readonly #isLeased: () => boolean;

  constructor(partition: CheckpointPartition, patience: Patience, isLeased: () => boolean) {
    this.#partition = partition;
    this.#patience = patience;
    this.#isLeased = isLeased;
    this.id = partition.id;
    this.fencingToken = partition.fencingToken;
    this.sequence = partition.sequence;
  }

  async *read(filter?: CheckpointFilter): AsyncGenerator<readonly Checkpoint[]> {
    const pages = this.#partition.read(filter)[Symbol.asyncIterator]();
    let isLeft = false;
    try {
      for (;;) {
        const page = await this.#read("a read", () => pages.next());
        if (page.done === true) return;
        isLeft = true;
        yield page.value;
        isLeft = false;
      }
    } finally {
      // a read that hangs or has failed would not answer this
      if (isLeft) await pages.return?.();
    }
  }

  countAtRest(): Promise<number> {
    return this.#read("a count", () => this.#partition.countAtRest());
  }

  nextDueAt(after: number): Promise<number | undefined> {
    return this.#read("a read", () => this.#partition.nextDueAt(after));
  }

  readLog(run: number): Promise<readonly LogRow[]> {
    return this.#read("a read", () => this.#partition.readLog(run));
  }

  counts(): Promise<ReadonlyMap<string, number>> {
    return this.#read("a count", () => this.#partition.counts());
  }

  outcomes(keys: readonly TraceKey[]): Promise<readonly StoredOutcome[]> {
    return this.#read("a read", () => this.#partition.outcomes(keys));
  }

  expiring(limit: number): Promise<readonly Pick<StoredOutcome, "run" | "expiresAt">[]> {
    return this.#read("a read", () => this.#partition.expiring(limit));
  }

  consumed(): Promise<ReadonlyMap<number, number>> {
    return this.#read("a read", () => this.#partition.consumed());
  }

  append(batch: CheckpointBatch, expectedSequence: number): Promise<number> {
    return this.#patience.wait("a batch", () => this.#partition.append(batch, expectedSequence));
  }

  renew(): Promise<void> {
    return this.#patience.wait("a renewal", () => this.#partition.renew());
  }

  close(): Promise<void> {
    return this.#patience.wait("its release", () => this.#partition.close());
  }

  #read<Answer>(what: string, call: () => Promise<Answer>): Promise<Answer> {
    return this.#patience.wait(what, call, (waits) => waits < LONGEST_READ && this.#isLeased());
  }
}
