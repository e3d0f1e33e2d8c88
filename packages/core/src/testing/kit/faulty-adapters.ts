import { type Clock, systemClock } from "../../foundation/clock.ts";
import { requireKnownKeys, requireNumber } from "../../foundation/options.ts";
import type { Random } from "../../foundation/random.ts";
import type { Log } from "../../ports/log.ts";
import type { MessageBus } from "../../ports/message-bus.ts";
import type { RemoteStreamEvent, RemoteTransport } from "../../ports/remote-transport.ts";
import type { StateStore } from "../../ports/state-store.ts";

/** Rate and kind of an adapter's faults. */
export interface FaultyOptions {
  /** Random source of the faults: `seededRandom(7)` makes them reproducible. @defaultValue `Math.random` */
  readonly random?: Random;
  /** Share of faulty calls, from 0 to 1. @defaultValue 0.2 */
  readonly rate?: number;
  /** Clock that delays slow calls. @defaultValue the machine's clock */
  readonly clock?: Clock;
  /** Called for each fault. */
  readonly onFault?: (fault: AdapterFault) => void;
}

/**
 * A fault of an adapter call: `refused` fails without effect, `unanswered` takes effect and fails nevertheless, `slow`
 * takes up to a second longer. For a part of a remote answer: `cut` loses this part and all later ones, `repeated`
 * delivers it twice, `reordered` delivers it after the next.
 */
export type AdapterFault = "refused" | "unanswered" | "slow" | "cut" | "repeated" | "reordered";

/** Faults of the calls of any adapter. */
export const FAULTS_OF_CALLS: readonly AdapterFault[] = ["refused", "unanswered", "slow"];

/** Faults of a transport: of its calls, and of the parts of its answers. */
export const FAULTS_OF_TRANSPORTS: readonly AdapterFault[] = [...FAULTS_OF_CALLS, "cut", "repeated", "reordered"];

const SLOWEST_MS = 1_000;

/** Decides for each call of an adapter whether it is faulty, and with which fault. */
class Mishaps {
  readonly #random: Random;
  readonly #rate: number;
  readonly #clock: Clock;
  readonly #onFault: (fault: AdapterFault) => void;

  constructor(what: string, options: FaultyOptions) {
    requireKnownKeys(what, options, ["random", "rate", "clock", "onFault"]);
    const { random = Math.random, rate = 0.2, clock = systemClock, onFault = () => {} } = options;
    requireNumber("rate", rate, 0);
    if (rate > 1) throw new RangeError(`Option "rate" must be a number from 0 to 1: got ${rate}`);
    this.#random = random;
    this.#rate = rate;
    this.#clock = clock;
    this.#onFault = onFault;
  }

  /** Makes a call, unless it is refused. */
  async around<Value>(what: string, call: () => Promise<Value>): Promise<Value> {
    const end = await this.begin(what);
    const value = await call();
    end();
    return value;
  }

  /** Applies the faults before a call; returns a function that applies those after it. */
  async begin(what: string): Promise<() => void> {
    if (this.#random() >= this.#rate) return () => {};
    const fault = (["refused", "unanswered", "slow"] as const)[Math.floor(this.#random() * 3)] as AdapterFault;
    this.#onFault(fault);
    const delayMs = this.#random() * SLOWEST_MS;
    if (fault === "slow") await new Promise<void>((resolve) => void this.#clock.setTimer(resolve, delayMs));
    if (fault === "refused") throw new Error(`Simulated fault: ${what} was refused`);
    return () => {
      if (fault === "unanswered") throw new Error(`Simulated fault: ${what} was done and its answer lost`);
    };
  }

  /** Yields the parts of an answer, with occasional faults. */
  async *among(events: AsyncIterable<RemoteStreamEvent>): AsyncGenerator<RemoteStreamEvent, void, undefined> {
    let late: RemoteStreamEvent | undefined;
    for await (const event of events) {
      const isFaulty = this.#random() < this.#rate / 4;
      // a part without position cannot be reordered, and the loss of the last part goes unnoticed when another follows
      const kinds = event.at === undefined || late !== undefined ? (["cut"] as const) : IN_ANSWERS;
      const fault = kinds[Math.floor(this.#random() * kinds.length)] as (typeof IN_ANSWERS)[number];
      if (isFaulty) this.#onFault(fault);
      if (isFaulty && fault === "cut") return;
      if (isFaulty && fault === "reordered") {
        late = event;
        continue;
      }
      if (event.done && late !== undefined) yield late;
      yield event;
      if (isFaulty && fault === "repeated") yield event;
      if (event.done) return;
      if (late !== undefined) yield late;
      late = undefined;
    }
  }
}

const IN_ANSWERS = ["cut", "repeated", "reordered"] as const;

/**
 * Wraps a state store so that some of its calls are faulty.
 *
 * @throws TypeError, RangeError when an option is unknown or out of range
 */
export function faultyStateStore(store: StateStore, options: FaultyOptions = {}): StateStore {
  const mishaps = new Mishaps("faultyStateStore", options);
  return {
    saveEvents: (batch) => mishaps.around("saveEvents", () => store.saveEvents(batch)),
    loadHistory: (query) => mishaps.around("loadHistory", () => store.loadHistory(query)),
    listTraces: (query) => mishaps.around("listTraces", () => store.listTraces(query)),
    prune: () => mishaps.around("prune", () => store.prune()),
    saveRemoteBinding: (binding) => mishaps.around("saveRemoteBinding", () => store.saveRemoteBinding(binding)),
    findRemoteBindings: (key) => mishaps.around("findRemoteBindings", () => store.findRemoteBindings(key)),
  };
}

/**
 * Wraps logs so that some of their calls are faulty.
 *
 * @throws TypeError, RangeError when an option is unknown or out of range
 */
export function faultyLog(log: Log, options: FaultyOptions = {}): Log {
  const mishaps = new Mishaps("faultyLog", options);
  return {
    append: (key, at, items) => mishaps.around("append", () => log.append(key, at, items)),
    read: (key, range) => mishaps.around("read", () => log.read(key, range)),
    trim: (key, before) => mishaps.around("trim", () => log.trim(key, before)),
  };
}

/**
 * Wraps a message bus so that some of its calls are faulty.
 *
 * @throws TypeError, RangeError when an option is unknown or out of range
 */
export function faultyMessageBus(bus: MessageBus, options: FaultyOptions = {}): MessageBus {
  const mishaps = new Mishaps("faultyMessageBus", options);
  return { publish: (batch) => mishaps.around("publish", () => bus.publish(batch)) };
}

/**
 * Wraps a remote transport so that some of its calls are faulty: a stream before its first event, after its last, and a
 * quarter as often at each event between.
 *
 * @throws TypeError, RangeError when an option is unknown or out of range
 */
export function faultyRemoteTransport(transport: RemoteTransport, options: FaultyOptions = {}): RemoteTransport {
  const mishaps = new Mishaps("faultyRemoteTransport", options);
  async function* faulty(what: string, open: () => AsyncIterable<RemoteStreamEvent>) {
    const end = await mishaps.begin(what);
    yield* mishaps.among(open());
    end();
  }
  return {
    send: (request) => mishaps.around("send", () => transport.send(request)),
    cancel: (task, cancelOptions) => mishaps.around("cancel", () => transport.cancel(task, cancelOptions)),
    stream: (request) => faulty("stream", () => transport.stream(request)),
    resubscribe: (task, readOptions) => faulty("resubscribe", () => transport.resubscribe(task, readOptions)),
  };
}
