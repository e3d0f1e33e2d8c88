import type { Moment } from "../../foundation/clock.ts";
import { FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import { onAbort } from "../../foundation/abort.ts";
import { requireNumber } from "../../foundation/options.ts";
import { lineageText } from "../../foundation/lineage.ts";
import type { Timer } from "../../foundation/timer-wheel.ts";
import type {
  ChunkInit,
  Context,
  EmitTarget,
  NodeOrName,
  OnceOptions,
  PauseInit,
  Playbook,
  WaitOptions,
} from "../../graph/handler.ts";
import type { Message, MessageHeaders } from "../../message/message.ts";
import type { StreamChunk } from "../../message/stream-chunk.ts";
import type { QueueItem } from "../../queue/fair-queue.ts";
import type { StreamWriter } from "../results/stream-table.ts";
import type { ExhaustionCode } from "../policies/budget.ts";
import type { Pause } from "./lasting.ts";
import type { Trace, TraceMember } from "./trace.ts";
import type { Send } from "./send.ts";
import type { Edge, Worker } from "./worker.ts";

/** Where an {@link Attempt} is in its life. Over is final: what its handler does then is fenced off. */
export const State = { QUEUED: 0, LAUNCHED: 1, RUNNING: 2, SENDING: 3, PARKED: 4, OVER: 5, PAUSED: 6 } as const;
/** One of the states of an {@link Attempt}. */
export type State = (typeof State)[keyof typeof State];

/** Whether an attempt counts against its node's concurrency. */
export const Slot = { NONE: 0, HELD: 1, LENT: 2 } as const;
/** One of the ways to hold a slot. */
export type Slot = (typeof Slot)[keyof typeof Slot];

/** A message that waits for the success of its attempt. */
export interface HeldEmit {
  readonly message: Message;
  readonly edges: readonly Edge[];
  /** The budget that sending it uses up: the trace ends instead. */
  readonly exhausted?: ExhaustionCode;
}

/** A handler that waits for a further message. */
export interface FetchWait {
  readonly resolve: (message: Message) => void;
  readonly reject: (reason: unknown) => void;
  /** Names of predecessors; `undefined` for any. */
  readonly from: ReadonlySet<string> | undefined;
}

/** Something a handler waits for. */
export interface HandlerWait {
  readonly reject: (reason: unknown) => void;
  /** Whether it goes on when the handler returns: what it sent is still sent. */
  readonly outlivesHandler: boolean;
}

/** What only some attempts have. */
export class AttemptExtras {
  /** Readings of the clock, made only while somebody watches. */
  queuedAt: number | undefined;
  returnedAt: number | undefined;
  /** Its lineage id in digits, once somebody has asked for it. */
  lineage: string | undefined;
  timer: Timer | undefined;
  /** Epoch milliseconds at which a message in backoff goes on. */
  dueAt: number | undefined;
  controller: AbortController | undefined;
  /** Why the attempt is over, for its signal. */
  reason: Error | undefined;
  /** The message before its payload was parsed, for a retry. */
  original: Message | undefined;
  readonly outbox: Send[] = [];
  held: HeldEmit[] | undefined;
  /** Messages the handler took with `fetch`. */
  fetched: Attempt[] | undefined;
  /** Messages an earlier attempt took, to be taken again. */
  refetch: Attempt[] | undefined;
  /** The fetch that waits for a message. */
  fetch: FetchWait | undefined;
  /** Waits of the handler. */
  waits: Set<HandlerWait> | undefined;
  /** Chunks for which the reader of the stream has no room yet. */
  unsentChunks = 0;
  /** Called when there are none left. */
  onChunksSent: (() => void) | undefined;
  /** Called with the slot that was lent. */
  resumes: (() => void)[] | undefined;
  /** How many playbooks it has called. */
  playbookCalls = 0;
  /** How many pauses it has made. */
  pauses = 0;
  /** Pauses to which it has no answer: it is about to be parked. */
  readonly asked: Pause[] = [];
  /** How many answers are being checked. */
  checking = 0;
  /** How many of its messages were accepted before its handler had to be called again: they are not sent twice. */
  alreadySent = 0;
  writesStreams = false;
  isZombie = false;
  /** Whether the end of its trace waits for its handler. */
  unwinds = false;
  graceTimer: Timer | undefined;
}

/**
 * One try of one message at one node, and what its handler sees as `ctx`. Born when the message is
 * sent to the node.
 *
 * States: queued (on an edge, or waiting for room on it) → launched (it has a slot) → running (its handler was called) → sending
 * (the handler has returned, what it sends waits for room) → over. A try that failed is over, and the
 * next one is born parked → queued or running; so is that of a handler that has paused: paused → queued. Whatever ends the trace makes every attempt of it over.
 */
export class Attempt implements Context, QueueItem, TraceMember, StreamWriter {
  worker: Worker;
  readonly trace: Trace;
  message: Message;
  /** The edge on which it has a place while it is queued. */
  edge: Edge | null;
  /** Whether it is counted in its ring's population. */
  inRing = false;
  /** The send that waits for a place for it. */
  send: Send | null = null;
  attempt: number;
  high: number;
  low: number;
  state: State = State.QUEUED;
  slot: Slot = Slot.NONE;
  /** How many messages it has sent so far. */
  outputs = 0;
  /** The turn in which it got its slot. */
  heldSince: Moment | undefined;
  /** When the handler was called, to within a turn unless somebody watches. */
  started: Moment | undefined;
  /** What awaits its handler: kept, since it may await many. */
  onReturned: ((value: unknown) => void) | undefined;
  onThrew: ((error: unknown) => void) | undefined;
  extras: AttemptExtras | null = null;
  nextInLane: this | null = null;
  nextOfTrace: TraceMember | null = null;
  prevOfTrace: TraceMember | null = null;

  constructor(
    worker: Worker,
    trace: Trace,
    message: Message,
    edge: Edge | null,
    high: number,
    low: number,
    attempt: number,
  ) {
    this.worker = worker;
    this.trace = trace;
    this.message = message;
    this.edge = edge;
    this.high = high;
    this.low = low;
    this.attempt = attempt;
  }

  /** Becomes the first attempt of the next message, where nobody outside the runtime has seen it. */
  goOn(worker: Worker, message: Message, high: number, low: number): void {
    this.worker = worker;
    this.message = message;
    this.high = high;
    this.low = low;
    this.attempt = 1;
    this.outputs = 0;
    this.state = State.LAUNCHED;
  }

  get more(): AttemptExtras {
    this.extras ??= new AttemptExtras();
    return this.extras;
  }

  get node(): string {
    return this.worker.name;
  }

  get successors(): readonly string[] {
    return [...this.worker.edgeTo.keys()];
  }

  get traceId(): string {
    return this.trace.id;
  }

  get tenant(): string {
    return this.trace.tenant;
  }

  get headers(): MessageHeaders {
    return this.trace.headers;
  }

  get deadlineAt(): number | undefined {
    return this.trace.deadlineAt;
  }

  get resources(): unknown {
    return this.worker.engine.resources;
  }

  get idempotencyKey(): string {
    return `${this.traceKey}-${lineageText(this.high, this.low)}`;
  }

  /** What the idempotency keys of a trace have in common. */
  get traceKey(): string {
    const outer = outermost(this);
    return `${outer.worker.engine.runId}-${outer.trace.runText}`;
  }

  /** The lineage id of its message. For records: it is kept. */
  get lineage(): string {
    return (this.more.lineage ??= lineageText(this.high, this.low));
  }

  get signal(): AbortSignal {
    const more = this.more;
    if (more.controller === undefined) {
      more.controller = new AbortController();
      if (this.state === State.OVER) more.controller.abort(more.reason ?? this.#overError("use the signal"));
    }
    return more.controller.signal;
  }

  emit(value: unknown, target?: EmitTarget): Promise<void> {
    return this.#guarded("emit", () => this.worker.engine.emitting.emit(this, value, target?.to));
  }

  emitNowait(value: unknown, target?: EmitTarget): void {
    this.requireRunning("emit");
    this.worker.engine.emitting.emitNowait(this, value, target?.to);
  }

  emitChunk(chunk: ChunkInit): Promise<StreamChunk> {
    return this.#guarded("emit a chunk", () => this.worker.engine.emitting.emitChunk(this, chunk));
  }

  fetch(options: WaitOptions & { readonly from?: NodeOrName | readonly NodeOrName[] } = {}): Promise<Message> {
    return this.#guarded("fetch", () => this.worker.engine.fetching.fetch(this, options));
  }

  fetchAny(options: WaitOptions & { readonly from?: NodeOrName | readonly NodeOrName[] } = {}): Promise<Message> {
    return this.fetch(options);
  }

  callPlaybook<Input, Result>(
    playbook: Playbook<Input, Result>,
    message?: Input | Message<Input>,
    options?: { readonly timeoutMs?: number },
  ): Promise<Result> {
    return this.#guarded("call a playbook", () =>
      this.worker.engine.playbooks.call(this, playbook, message ?? this.message, options?.timeoutMs),
    ) as Promise<Result>;
  }

  once<Value>(
    key: string,
    run: (effectKey: string) => Value | Promise<Value>,
    options: OnceOptions<Value> = {},
  ): Promise<Value> {
    return this.#unminded("run a side effect", () =>
      outermost(this).worker.engine.effects.once(this, key, run, options),
    );
  }

  pause<Value>(init: PauseInit<Value>): Promise<Value> {
    return this.#unminded("pause", () => outermost(this).worker.engine.pausing.pause(this, init)) as Promise<Value>;
  }

  sleep(delayMs: number): Promise<void> {
    return this.#guarded("sleep", () => {
      requireNumber("delayMs", delayMs, 0);
      return this.wait((resolve) => {
        const timer = this.worker.engine.timers.after(delayMs, () => resolve(undefined));
        return () => timer.cancel();
      });
    });
  }

  /**
   * A wait of the handler that ends with the attempt: it is rejected with the reason when the attempt
   * is over first. `begin` starts it and returns how to take it back. A handler that has lent its slot
   * goes on when it has it again.
   */
  wait<Value>(
    begin: (resolve: (value: Value) => void, reject: (reason: unknown) => void) => (() => void) | undefined,
    options: WaitOptions & { readonly outlivesHandler?: boolean } = {},
  ): Promise<Value> {
    const { timeoutMs, signal, outlivesHandler = false } = options;
    if (timeoutMs !== undefined) requireNumber("timeoutMs", timeoutMs, 0);
    const { engine } = this.worker;
    const promise = new Promise<Value>((resolve, reject) => {
      const waits = (this.more.waits ??= new Set());
      const undo: ((() => void) | undefined)[] = [];
      let isSettled = false;
      const settle = (finish: () => void): void => {
        if (isSettled) return;
        isSettled = true;
        waits.delete(wait);
        for (const step of undo) step?.();
        engine.dispatch.reclaimSlot(this, finish);
      };
      const giveUp = (reason: unknown): void => settle(() => reject(reason));
      const wait: HandlerWait = { reject: giveUp, outlivesHandler };
      waits.add(wait);
      undo.push(begin((value) => settle(() => resolve(value)), giveUp));
      if (timeoutMs !== undefined && !isSettled) {
        const timer = engine.timers.after(timeoutMs, () => {
          giveUp(this.#waitError(FlowErrorCode.WAIT_TIMEOUT, `waited ${timeoutMs} ms`));
          engine.dispatch.flush();
        });
        undo.push(() => timer.cancel());
      }
      if (signal !== undefined && !isSettled) {
        undo.push(
          onAbort(signal, (reason) =>
            giveUp(this.#waitError(FlowErrorCode.WAIT_ABORTED, "its signal was aborted", reason)),
          ),
        );
      }
      // settled while it was being set up
      if (isSettled) for (const step of undo) step?.();
    });
    // a wait that nobody awaits must not end the process
    promise.catch(() => {});
    return promise;
  }

  /** A {@link Attempt.wait} for a promise. */
  waitFor<Value>(promise: Promise<Value>): Promise<Value> {
    return this.wait<Value>((resolve, reject) => {
      promise.then(resolve, reject);
      return undefined;
    });
  }

  /** Throws the reason for which it is over, unless its handler is at work. */
  requireRunning(what: string): void {
    if (this.state !== State.RUNNING) throw this.extras?.reason ?? this.#overError(what);
  }

  /** The handler has returned: what it still waits for is given up, but for what it has sent. */
  endWaits(): void {
    const waits = this.extras?.waits;
    if (waits === undefined || waits.size === 0) return;
    const reason = this.#overError("wait");
    for (const wait of [...waits]) if (!wait.outlivesHandler) wait.reject(reason);
  }

  /** Ends the attempt from outside: its signal aborts and its waits reject with `reason`. */
  abort(reason: Error): void {
    this.state = State.OVER;
    const extras = this.more;
    extras.reason = reason;
    extras.timer?.cancel();
    if (extras.waits !== undefined) for (const wait of [...extras.waits]) wait.reject(reason);
    const { resumes } = extras;
    extras.resumes = undefined;
    if (resumes !== undefined) for (const resume of resumes) resume();
    extras.controller?.abort(reason);
  }

  /** As {@link Attempt.#guarded}: whoever does not await it is not told, and the process goes on. */
  #unminded<Value>(what: string, act: () => Promise<Value>): Promise<Value> {
    const promise = this.#guarded(what, act);
    promise.catch(() => {});
    return promise;
  }

  #guarded<Value>(what: string, act: () => Promise<Value>): Promise<Value> {
    if (this.state !== State.RUNNING) return Promise.reject(this.extras?.reason ?? this.#overError(what));
    try {
      return act();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #overError(what: string): FlowError {
    return new FlowError({
      code: FlowErrorCode.ATTEMPT_OVER,
      message: `Cannot ${what} at node "${this.worker.name}": the attempt is over`,
      traceId: this.trace.id,
      tenant: this.trace.tenant,
      node: this.worker.name,
      attempt: this.attempt,
    });
  }

  #waitError(code: FlowErrorCode, why: string, cause?: unknown): FlowError {
    return new FlowError({
      code,
      message: `Gave up waiting at node "${this.worker.name}": ${why}`,
      traceId: this.trace.id,
      tenant: this.trace.tenant,
      node: this.worker.name,
      attempt: this.attempt,
      retryable: true,
      cause,
    });
  }
}

/** The attempt of the flow itself in which an attempt of a playbook works, or the attempt. */
export function outermost(attempt: Attempt): Attempt {
  let outer = attempt;
  while (outer.trace.origin !== null) outer = outer.trace.origin.parent as Attempt;
  return outer;
}
