import { FairWaitingList } from "../../queue/fair-waiting-list.ts";
import { WaitingList } from "../../queue/waiting-list.ts";
import type { Trace } from "../state/trace.ts";
import { TraceTurn } from "../state/trace-turn.ts";
import type { Agenda } from "./agenda.ts";

/** Engine parts that {@link Admission} calls. */
export interface AdmissionHost {
  readonly options: { readonly maxTraces: number };
  readonly agenda: Agenda;
}

/** The traces of one tenant and key. */
interface KeyLine {
  /** Number of begun traces that hold the key: one, or more where a restart has restored several. */
  holders: number;
  readonly waiting: WaitingList<TraceTurn>;
}

/**
 * Decides when a trace may begin: exclusive traces of one tenant and key begin one after the other, and at most
 * `maxTraces` are in flight. A trace that waits is open, so that its deadline, signal, cancellation and the stop of the
 * flow end the wait; none of its messages is accepted.
 *
 * Lock order: the key, then the capacity. A trace that holds capacity waits for neither, so no deadlock can arise, and
 * the traces behind a key take no capacity from others.
 */
export class Admission {
  readonly #engine: AdmissionHost;
  readonly #keys = new Map<string, KeyLine>();
  readonly #line = new FairWaitingList<TraceTurn>();
  #inFlight = 0;
  #behindKeys = 0;
  readonly #retries = new Map<TraceTurn, (failure: Error) => void>();

  constructor(engine: AdmissionHost) {
    this.#engine = engine;
  }

  /** Number of traces and retries that wait for their turn. */
  get waiting(): number {
    return this.#behindKeys + this.#line.size;
  }

  /** Returns why a new trace could not begin at once; `undefined` if it could. */
  obstacle(tenant: string, exclusive: string | undefined): string | undefined {
    if (exclusive !== undefined && this.#keys.has(keyOf(tenant, exclusive)))
      return `another trace of the exclusive key "${exclusive}" runs`;
    return this.#isFull() ? `maxTraces (${this.#engine.options.maxTraces}) are in flight` : undefined;
  }

  /** Lets a new trace begin, or has it wait for its turn. */
  request(trace: Trace, exclusive: string | undefined): void {
    const turn = new TraceTurn(trace.tenant, exclusive);
    trace.more.turn = turn;
    this.#takeKey(turn);
    if (turn.counts) turn.begin();
  }

  /** Admits a restored trace: it was accepted before the restart. */
  restore(trace: Trace, exclusive: string | undefined): void {
    const turn = new TraceTurn(trace.tenant, exclusive);
    trace.more.turn = turn;
    if (exclusive !== undefined) {
      this.#keyLine(turn).holders += 1;
      turn.hasKey = true;
    }
    this.#count(turn);
    turn.begin();
  }

  /** Resolves once no trace of the key runs. The key is held until `release` of the returned turn. */
  turnOf(tenant: string, exclusive: string): Promise<TraceTurn> {
    const turn = new TraceTurn(tenant, exclusive);
    // the retried trace is counted when it is restored
    turn.counts = true;
    return new Promise((resolve, reject) => {
      this.#retries.set(turn, reject);
      turn.starts.push(() => {
        this.#retries.delete(turn);
        turn.counts = false;
        resolve(turn);
      });
      this.#takeKey(turn);
      if (turn.hasKey) turn.begin();
    });
  }

  /** Rejects the retries that wait. */
  close(failure: Error): void {
    for (const [turn, reject] of [...this.#retries]) {
      turn.counts = false;
      this.release(turn);
      reject(failure);
    }
    this.#retries.clear();
  }

  /** Releases what a trace held, or ends its wait. */
  left({ extras }: Trace): void {
    if (extras?.turn !== undefined) this.release(extras.turn);
  }

  release(turn: TraceTurn): void {
    if (turn.list !== null) {
      const isBehindKey = turn.exclusive !== undefined && !turn.hasKey;
      if (isBehindKey) {
        turn.list.remove(turn);
        this.#behindKeys -= 1;
      } else this.#line.remove(turn);
    }
    this.#uncount(turn);
    if (!turn.hasKey) return;
    turn.hasKey = false;
    const key = keyOf(turn.tenant, turn.exclusive as string);
    const line = this.#keys.get(key) as KeyLine;
    line.holders -= 1;
    if (line.holders > 0) return;
    const next = line.waiting.shift();
    if (next === null) {
      this.#keys.delete(key);
      return;
    }
    this.#behindKeys -= 1;
    line.holders += 1;
    next.hasKey = true;
    if (next.counts) this.#beginSoon(next);
    else this.#takeCapacity(next, true);
  }

  /** Uncounts a trace that waits only for answers: it may wait for days. It keeps its key. */
  rest({ extras }: Trace): void {
    if (extras?.turn !== undefined) this.#uncount(extras.turn);
  }

  /** Counts a trace again that an answer has woken. It does not wait: it was admitted before. */
  wake({ extras }: Trace): void {
    if (extras?.turn !== undefined && extras.turn.hasBegun) this.#count(extras.turn);
  }

  #takeKey(turn: TraceTurn): void {
    if (turn.exclusive !== undefined) {
      const line = this.#keyLine(turn);
      if (line.holders > 0) {
        line.waiting.push(turn);
        this.#behindKeys += 1;
        return;
      }
      line.holders += 1;
      turn.hasKey = true;
    }
    if (!turn.counts) this.#takeCapacity(turn, false);
  }

  #takeCapacity(turn: TraceTurn, isLater: boolean): void {
    if (this.#isFull()) {
      this.#line.push(turn);
      return;
    }
    this.#count(turn);
    if (isLater) this.#beginSoon(turn);
  }

  #isFull(): boolean {
    const { maxTraces } = this.#engine.options;
    return maxTraces > 0 && (this.#line.size > 0 || this.#inFlight >= maxTraces);
  }

  #count(turn: TraceTurn): void {
    if (turn.counts) return;
    turn.counts = true;
    this.#inFlight += 1;
  }

  #uncount(turn: TraceTurn): void {
    if (!turn.counts) return;
    turn.counts = false;
    this.#inFlight -= 1;
    while (this.#line.size > 0 && this.#inFlight < this.#engine.options.maxTraces) {
      const next = this.#line.shift() as TraceTurn;
      this.#count(next);
      this.#beginSoon(next);
    }
  }

  /** Begins a trace outside the end of the one before it, whose state may not be final yet. */
  #beginSoon(turn: TraceTurn): void {
    this.#engine.agenda.beforeRunning(() => turn.begin());
  }

  #keyLine({ tenant, exclusive }: TraceTurn): KeyLine {
    const key = keyOf(tenant, exclusive as string);
    let line = this.#keys.get(key);
    if (line === undefined) {
      line = { holders: 0, waiting: new WaitingList() };
      this.#keys.set(key, line);
    }
    return line;
  }
}

function keyOf(tenant: string, exclusive: string): string {
  return `${tenant.length}:${tenant}${exclusive}`;
}
