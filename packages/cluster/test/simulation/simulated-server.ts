import {
  type Checkpoint,
  type CheckpointPartition,
  type LeaseRequest,
  MemoryCheckpointStore,
  type Random,
  type SharedLease,
} from "penguiflow";
import type { ClusterBackend, Intake, KeptResult, ResultKey, StoredResult } from "penguiflow/adapter";
import type { SeededSchedule } from "../../../core/src/testing/simulation/seeded-schedule.ts";
import { wrapPartition } from "../../../core/src/testing/kit/wrap-partition.ts";
import { MemoryIntake } from "../../src/memory/memory-intake.ts";
import { MemoryRegistry } from "../../src/memory/memory-registry.ts";
import { MemoryResultStore } from "../../src/memory/memory-result-store.ts";
import type { HistoryEvent } from "../history/history.ts";
import { observedBackend } from "../history/observed-backend.ts";
import type { SimulatedMachine } from "./simulated-machine.ts";

/** Milliseconds after which a machine gives a request up. */
const PATIENCE_MS = 400;
/** Milliseconds that a message may take. */
const DELAYS_MS = [0, 0, 0, 0, 2, 20, 90];
const OFFER_BYTES = 65_536;

/** Draws whether a fault happens. */
export type Happens = (fault: string) => boolean;

/** Fate of a request on the simulated network. */
type Fate = "well" | "request lost" | "answer lost" | "doubled";

/** Defects of a backend that the checks must find. */
export type ServerDefect =
  | "fence dropped"
  | "stale lookup trusted"
  | "result overwritten"
  | "ended lease renewed"
  | "notes overtake each other"
  | "refusal told by the wire alone";

interface Subscriber {
  readonly machine: SimulatedMachine;
  readonly receive: (body: Uint8Array) => void;
  /** Messages of each publisher, which stay in order. */
  readonly waiting: Map<SimulatedMachine, Uint8Array[]>;
}

/**
 * The backend of a simulated cluster, and the network between it and the machines: requests and answers are delayed,
 * overtake each other, are lost and doubled, and reads of followers are stale.
 */
export class SimulatedServer {
  readonly #schedule: SeededSchedule;
  readonly #random: Random;
  readonly #happens: Happens;
  readonly #defect: ServerDefect | undefined;
  readonly #store: ClusterBackend;
  readonly #subscribers = new Map<string, Set<Subscriber>>();
  readonly #entries = new Map<string, Map<number, Checkpoint>>();
  /** Number of items stored in each lane, and the stored positions. */
  readonly #offered = new Map<string, number>();
  readonly #consumed = new Map<string, number>();
  /** Number of messages on their way to the backend. */
  #travelling = 0;
  /** The last opening of each partition. */
  readonly #latest = new Map<string, CheckpointPartition>();
  /** Results as a follower has them. */
  readonly #stale = new Map<string, KeptResult | undefined>();
  /** The last epoch that each machine has opened of each partition. */
  readonly #epochs = new Map<string, number>();
  /** Times at which the machines' watches are told everything again, after a cut. */
  readonly #healed = new Map<SimulatedMachine, Set<() => void>>();

  constructor(
    schedule: SeededSchedule,
    random: Random,
    happens: Happens,
    note: (event: HistoryEvent) => void,
    defect?: ServerDefect,
  ) {
    this.#schedule = schedule;
    this.#random = random;
    this.#happens = happens;
    this.#defect = defect;
    const { clock } = schedule;
    const checkpoints = new MemoryCheckpointStore({ clock });
    const results = new MemoryResultStore(clock);
    this.#store = observedBackend(
      {
        checkpoints: {
          share: async (request) => this.#defective(await checkpoints.share(request)),
          open: async (lease) => this.#tracked(await checkpoints.open(lease), lease.partition),
        },
        intake: this.#counted(new MemoryIntake({}, clock)),
        results: {
          put: async (all) => {
            for (const { key } of all) await this.#keepStale(key);
            if (defect === "result overwritten") {
              const kept = await results.get(all.map(({ key }) => key));
              await results.forget(kept.filter((one) => one !== undefined));
            }
            const isKept = ({ key }: StoredResult): boolean =>
              defect !== "refusal told by the wire alone" || !key.id.endsWith(".refused");
            const answers = [...(await results.put(all.filter(isKept)))];
            return all.map((one) => (isKept(one) ? answers.shift()! : 1));
          },
          get: (keys) => results.get(keys),
          forget: (kept) => results.forget(kept),
        },
        registry: new MemoryRegistry(clock),
        wire: { publish() {}, subscribe: () => ({ [Symbol.dispose]() {} }) },
        limits: { offerBytes: OFFER_BYTES },
        [Symbol.asyncDispose]: async () => {},
      },
      note,
    );
  }

  /** The backend without its network. */
  get store(): ClusterBackend {
    return this.#store;
  }

  /** Live checkpoints of all partitions, each with the name of its partition. */
  get entries(): readonly (readonly [string, Checkpoint])[] {
    return [...this.#entries].flatMap(([partition, entries]) =>
      [...entries.values()].map((entry) => [partition, entry] as const),
    );
  }

  /** Whether no item waits in an intake or is on its way there. */
  get isEmpty(): boolean {
    return (
      this.#travelling === 0 && [...this.#offered].every(([lane, last]) => last <= (this.#consumed.get(lane) ?? 0))
    );
  }

  /** Returns the last epoch of a partition that a machine has opened. */
  epochOf({ name }: SimulatedMachine, partition: string): number | undefined {
    return this.#epochs.get(`${name} ${partition}`);
  }

  /** Whether a machine was the last to open a partition. */
  isLatest(machine: SimulatedMachine, partition: string): boolean {
    return this.epochOf(machine, partition) === this.#latest.get(partition)?.fencingToken;
  }

  /** Cuts a machine off for a while. */
  cutOff(machine: SimulatedMachine, ms: number): void {
    if (machine.isCutOff) return;
    machine.isCutOff = true;
    this.#schedule.clock.setTimer(() => {
      machine.isCutOff = false;
      for (const tell of this.#healed.get(machine) ?? []) tell();
    }, ms);
  }

  /** Returns the backend as a machine reaches it. */
  reachedFrom(machine: SimulatedMachine): ClusterBackend {
    const { intake, results, registry, checkpoints, limits } = this.#store;
    const call = <Value>(act: () => Promise<Value>, mayDouble = false): Promise<Value> =>
      this.#call(machine, act, mayDouble);
    return {
      limits,
      checkpoints: {
        share: async (request) => {
          const lease = await call(() => checkpoints.share(request));
          return { id: lease.id, renew: () => call(() => lease.renew(), true), close: () => call(() => lease.close()) };
        },
        open: (lease) => this.#open(machine, checkpoints, lease),
      },
      intake: {
        offer: (offers) => call(() => intake.offer(offers), true),
        read: (partition, after, limit) =>
          new Promise((resolve, reject) => {
            limit.signal.addEventListener("abort", () => resolve([]), { once: true });
            const from = new Map(after);
            call(async () => {
              const items = await intake.read(partition, from, limit);
              // a follower that is behind lacks the latest items
              return this.#happens("a read is stale")
                ? items.slice(0, Math.floor(this.#random() * items.length))
                : items;
            }).then(resolve, reject);
          }),
        trim: (partition, upTo) => call(() => intake.trim(partition, new Map(upTo)), true),
        backlog: (partitions) => call(() => intake.backlog(partitions)),
      },
      results: {
        put: (all) => call(() => results.put(all), true),
        get: (keys, read) =>
          call(async () => {
            const found = await results.get(keys, read);
            if (read === "latest" && this.#defect !== "stale lookup trusted") return found;
            return keys.map((key, index) =>
              this.#happens("a result is stale") ? this.#stale.get(JSON.stringify(key)) : found[index],
            );
          }),
        forget: (kept) => call(() => results.forget(kept), true),
      },
      registry: {
        get: (key) => call(() => registry.get(key)),
        put: (key, value, options) => call(() => registry.put(key, value, options), options?.revision === undefined),
        delete: (key) => call(() => registry.delete(key), true),
        watch: (prefix, onChange, signal) => this.#watch(machine, prefix, onChange, signal),
      },
      wire: {
        publish: (subject, body) => this.#publish(machine, subject, body),
        subscribe: (subject, receive) => this.#subscribe(machine, subject, receive),
      },
      [Symbol.asyncDispose]: async () => {},
    };
  }

  /** Makes a call whose request and answer go over the network. */
  #call<Value>(machine: SimulatedMachine, act: () => Promise<Value>, mayDouble: boolean): Promise<Value> {
    const fate = this.#fate(mayDouble);
    return new Promise((resolve, reject) => {
      const fail = (): void =>
        machine.later(() => reject(new Error("Simulated fault: the backend has not answered")), PATIENCE_MS);
      const answer = (settle: () => void): void => {
        this.#travel(() => {
          if (fate === "answer lost" || machine.isCutOff) fail();
          else machine.later(settle);
        });
      };
      if (fate === "request lost" || machine.isCutOff) {
        fail();
        return;
      }
      this.#travel(() => {
        act().then(
          (value) => answer(() => resolve(value)),
          (error: unknown) => answer(() => reject(error)),
        );
      });
      // its error is that of the other one
      if (fate === "doubled") this.#travel(() => void act().catch(() => {}));
    });
  }

  #fate(mayDouble: boolean): Fate {
    if (this.#happens("a request is lost")) return "request lost";
    if (this.#happens("an answer is lost")) return "answer lost";
    return mayDouble && this.#happens("a request is doubled") ? "doubled" : "well";
  }

  /** Calls `arrive` after a message's time on the way, also if its sender has ended by then. */
  #travel(arrive: () => void): void {
    const delayMs = DELAYS_MS[Math.floor(this.#random() * DELAYS_MS.length)]!;
    this.#travelling += 1;
    const arrived = (): void => {
      this.#travelling -= 1;
      arrive();
    };
    if (delayMs === 0) this.#schedule.move(arrived);
    else this.#schedule.clock.setTimer(arrived, delayMs);
  }

  async #open(
    machine: SimulatedMachine,
    checkpoints: ClusterBackend["checkpoints"],
    lease: LeaseRequest,
  ): Promise<CheckpointPartition> {
    const call = <Value>(act: () => Promise<Value>): Promise<Value> => this.#call(machine, act, false);
    const { opened, sequence } = await call(async () => {
      const partition = await checkpoints.open(lease);
      return { opened: partition, sequence: partition.sequence };
    });
    const key = `${machine.name} ${lease.partition}`;
    // the answer to an earlier request may come later
    this.#epochs.set(key, Math.max(opened.fencingToken, this.#epochs.get(key) ?? 0));
    return wrapPartition(opened, {
      id: lease.partition,
      ...{ sequence },
      async *read(filter) {
        yield* await call(async () => {
          const pages: (readonly Checkpoint[])[] = [];
          for await (const page of opened.read(filter)) pages.push(page);
          return pages;
        });
      },
      countAtRest: () => call(() => opened.countAtRest()),
      nextDueAt: (after) => call(() => opened.nextDueAt(after)),
      readLog: (run) => call(() => opened.readLog(run)),
      outcomes: (keys) => call(() => opened.outcomes(keys)),
      expiring: (limit) => call(() => opened.expiring(limit)),
      counts: () => call(() => opened.counts()),
      consumed: () => call(() => opened.consumed()),
      append: (batch, expected) => call(() => opened.append(batch, expected)),
      renew: () => call(() => opened.renew()),
      close: () => call(() => opened.close()),
    });
  }

  /** Follows what a partition contains. */
  #tracked(opened: CheckpointPartition, name: string): CheckpointPartition {
    const entries = this.#entries.get(name) ?? new Map<number, Checkpoint>();
    this.#entries.set(name, entries);
    this.#latest.set(name, opened);
    const isFenced = this.#defect !== "fence dropped";
    return wrapPartition(opened, {
      renew: () => (isFenced ? opened : this.#latest.get(name)!).renew(),
      append: async (batch, expectedSequence) => {
        const latest = this.#latest.get(name)!;
        const sequence = isFenced
          ? await opened.append(batch, expectedSequence)
          : await latest.append(batch, latest.sequence);
        for (const entry of batch.put) entries.set(entry.run, entry);
        for (const run of batch.remove) entries.delete(run);
        for (const [lane, position] of batch.consumed ?? []) this.#consumed.set(`${name} ${lane}`, position);
        return sequence;
      },
    });
  }

  /** Returns a lease that is renewed although it has ended, if that is the defect. */
  #defective(lease: SharedLease): SharedLease {
    if (this.#defect !== "ended lease renewed") return lease;
    return { id: lease.id, close: () => lease.close(), renew: () => lease.renew().catch(() => {}) };
  }

  /** Counts what an intake stores. Its sequences have no gaps. */
  #counted(intake: Intake): Intake {
    return {
      offer: async (offers) => {
        const answers = await intake.offer(offers);
        for (const [index, { partition, lane }] of offers.entries()) {
          const key = `${partition} ${lane}`;
          if (answers[index] === "stored") this.#offered.set(key, (this.#offered.get(key) ?? 0) + 1);
        }
        return answers;
      },
      read: (partition, after, limit) => intake.read(partition, after, limit),
      trim: (partition, upTo) => intake.trim(partition, upTo),
      backlog: (partitions) => intake.backlog(partitions),
    };
  }

  async #keepStale(key: ResultKey): Promise<void> {
    const [before] = await this.#store.results.get([key], "latest");
    this.#stale.set(JSON.stringify(key), before);
  }

  async #watch(
    machine: SimulatedMachine,
    prefix: string,
    onChange: (key: string, value: string | undefined) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const known = new Map<string, string | undefined>();
    const waiting: (() => void)[] = [];
    const send = (act: () => void): void => {
      waiting.push(act);
      this.#travel(() => machine.later(() => waiting.shift()!()));
    };
    const tell = (key: string, value: string | undefined): void => {
      known.set(key, value);
      if (machine.isCutOff) return;
      send(() => {
        if (!signal.aborted) onChange(key, value);
      });
    };
    const tellAll = (): void => {
      for (const [key, value] of known) tell(key, value);
    };
    const watches = this.#healed.get(machine) ?? new Set();
    this.#healed.set(machine, watches.add(tellAll));
    signal.addEventListener("abort", () => watches.delete(tellAll), { once: true });
    await this.#store.registry.watch(prefix, tell, signal);
    // the present values are told first
    if (machine.isCutOff) await this.#call(machine, async () => {}, false);
    else await new Promise<void>((resolve) => send(resolve));
  }

  #publish(machine: SimulatedMachine, subject: string, body: Uint8Array): void {
    if (machine.isCutOff) return;
    for (const subscriber of this.#subscribers.get(subject) ?? []) {
      if (this.#happens("a notification is lost") || subscriber.machine.isCutOff) continue;
      const waiting = subscriber.waiting.get(machine) ?? [];
      subscriber.waiting.set(machine, waiting);
      waiting.push(body);
      const next = (): Uint8Array => (this.#defect === "notes overtake each other" ? body : waiting.shift()!);
      this.#travel(() => subscriber.machine.later(() => subscriber.receive(next())));
    }
  }

  #subscribe(machine: SimulatedMachine, subject: string, receive: (body: Uint8Array) => void): Disposable {
    const subscribers = this.#subscribers.get(subject) ?? new Set();
    this.#subscribers.set(subject, subscribers);
    let isOver = false;
    const subscriber: Subscriber = {
      machine,
      receive: (body) => {
        if (!isOver) receive(body);
      },
      waiting: new Map(),
    };
    subscribers.add(subscriber);
    return {
      [Symbol.dispose]() {
        isOver = true;
        subscribers.delete(subscriber);
      },
    };
  }
}
