import type { AppEventInit } from "../events/flow-event.ts";
import type { Schema } from "../foundation/schema.ts";
import type { Budget, BudgetLeft } from "../message/budget.ts";
import type { ChunkData } from "../message/chunk-kinds.ts";
import type { Message, MessageHeaders } from "../message/message.ts";
import type { Meta } from "../message/meta.ts";
import type { Principal } from "../message/principal.ts";
import type { StreamChunk } from "../message/stream-chunk.ts";
import type { AnyNode } from "./edge-typing.ts";

/** A node, or its name. */
export type NodeOrName = AnyNode | string;

/** Target of a handler's message, instead of all successors. */
export interface EmitTarget {
  /** Successors of the node, or `ROOKERY`, by node or name. @defaultValue all successors */
  readonly to?: NodeOrName | readonly NodeOrName[];
}

/** Limits of a wait. */
export interface WaitOptions {
  /** Milliseconds after which the wait is rejected with `WAIT_TIMEOUT`. @defaultValue none */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Options of a chunk that is to be sent. */
export interface ChunkOptions {
  /** The message the chunk belongs to. @defaultValue the message being handled */
  readonly parent?: Message | undefined;
  /** @defaultValue one stream per attempt: the trace id, then the trace id with `~2`, `~3`, … */
  readonly streamId?: string | undefined;
  /** @defaultValue the next number */
  readonly seq?: number | undefined;
  /** Whether this is the last chunk. The runtime sends one when the handler does not. @defaultValue false */
  readonly done?: boolean | undefined;
  readonly meta?: Meta | undefined;
  /** Successors that receive the chunk as a message, instead of the reader of the trace's stream. */
  readonly to?: NodeOrName | readonly NodeOrName[] | undefined;
}

/** A chunk to be sent by {@link Context.emitChunk}: text, or data of a kind declared in `ChunkKinds`. */
export type ChunkInit = ChunkOptions &
  (
    | { readonly text: string; readonly kind?: undefined; readonly data?: undefined }
    | (ChunkData & { readonly text?: undefined })
  );

/** Behaviour of {@link Context.once} when no value is stored. */
export interface OnceOptions<Value> {
  /** Behaviour when the effect has failed in this trace: fail again, or run it again. @defaultValue `"fail"` */
  readonly ifFailed?: "fail" | "run";
  /**
   * Behaviour when the process ended during the effect, so its outcome is unknown: fail, run it again, or call a
   * function. The function receives the same key, and its result is stored as the value. @defaultValue `"fail"`
   */
  readonly ifUnknown?: "fail" | "run" | ((effectKey: string) => Value | Promise<Value>);
  /**
   * Lifetime of the value: until the trace ends, or until the message has been handled. With `"message"` the key
   * belongs to the message: another message has an effect of its own under it.
   *
   * @defaultValue `"trace"`
   */
  readonly keep?: "trace" | "message";
}

/**
 * The log of a trace: what was said in it, each item written once. A message then carries how far the log has come
 * instead of its contents.
 */
export interface TraceLog {
  /**
   * Appends items, and resolves with the position after them: pass it on in the message, for {@link TraceLog.read}. The
   * attempt itself reads them at once, others when it has committed. They are undone with an attempt that fails, pauses
   * or is aborted. In a durable flow they must be data; they are stored with the message's progress, each once.
   *
   * @throws FlowError `LOG_LIMIT`, `NOT_SERIALISABLE`, `PAYLOAD_TOO_LARGE`
   */
  append(items: readonly unknown[]): Promise<number>;
  /**
   * Reads the items before position `upTo`, in order. Positions of attempts that were undone are skipped.
   *
   * @param upTo - @defaultValue the end
   */
  read<Item = unknown>(upTo?: number): Promise<readonly Item[]>;
}

/** A question for {@link Context.pause}. */
export interface PauseInit<Value> {
  /** The question, in a few words for people. */
  readonly reason: string;
  /**
   * The name under which the answer is found when the handler is called again. Each pause of a handler needs its own.
   * Keep it from release to release.
   *
   * @defaultValue the reason
   */
  readonly name?: string | undefined;
  /** Context for answering; data, in a durable flow. @defaultValue nothing */
  readonly payload?: unknown;
  /** Schema of the answer. @defaultValue anything */
  readonly resumeSchema?: Schema<unknown, Value> | undefined;
  /** Epoch milliseconds after which no answer is accepted, see `ifExpired`. @defaultValue never */
  readonly expiresAt?: number | undefined;
  /**
   * The value that the pause returns at `expiresAt` when there is no answer, or a function that makes it. The handler is
   * called again then, in a durable flow also after a restart. The function runs in each further call of the handler.
   *
   * @defaultValue the trace fails with `PAUSE_EXPIRED`
   */
  readonly ifExpired?: NoInfer<Value> | (() => NoInfer<Value> | Promise<NoInfer<Value>>) | undefined;
}

/** Options of {@link Context.sleep} and {@link Context.sleepUntil}. */
export interface SleepOptions {
  /**
   * The name under which the sleep is found when the handler is called again. Each sleep of a handler needs its own.
   * Keep it from release to release.
   */
  readonly name?: string | undefined;
}

/** Amounts reserved by {@link TraceBudget.reserve}. They are returned when the handler returns or its attempt ends. */
export interface Reservation {
  /**
   * Spends what was used and returns the rest. A name left out counts as it was reserved. What exceeds the reservation
   * is taken from what is left.
   *
   * @param actual - @defaultValue the reserved amounts
   * @throws BudgetExhausted if even that is too little: all that was left is spent then; TypeError if it is settled or
   * released already; FlowError `ATTEMPT_OVER`
   */
  settle(actual?: Budget): void;
  /** Returns the reserved amounts. Does nothing once it is settled. */
  release(): void;
}

/**
 * The budget of a trace, shared by its attempts and by the playbooks below it. Amounts that an attempt has spent stay
 * spent if it fails. A handler that is called again spends again, unless it does so within {@link Context.once}.
 */
export interface TraceBudget {
  /** Amounts that can be reserved now, by name. A name without a limit is absent. */
  readonly left: BudgetLeft;
  /** Amounts spent so far, by name; also of names without a limit. */
  readonly spent: Budget;
  /**
   * Reserves amounts before they are used: all of them or none. Names without a limit are counted.
   *
   * @throws BudgetExhausted if too little is left of one of them; FlowError `ATTEMPT_OVER`
   */
  reserve(amounts: Budget): Reservation;
  /**
   * Records amounts that have been used.
   *
   * @throws BudgetExhausted if less was left of one of them: all that was left of it is spent then; FlowError
   * `ATTEMPT_OVER`
   */
  spend(amounts: Budget): void;
}

/** Options of {@link Context.signals}. */
export interface SignalOptions {
  /** Epoch milliseconds at which a wait ends without a signal. The first call of each wait fixes it. @defaultValue never */
  readonly expiresAt?: number | undefined;
}

/** Signals of one name that were sent into a trace, in order. Ends at `expiresAt`. See {@link Context.signals}. */
export interface Signals<Value> extends AsyncIterableIterator<Value, undefined, undefined> {
  /** Returns the next signal. Without one, parks the message, as in {@link Context.pause}, until there is one. */
  next(): Promise<IteratorResult<Value, undefined>>;
  /** Returns the signals that are there, without waiting. */
  take(): Value[];
}

/** A running flow as a callee, accepted by {@link Context.callPlaybook} and `callPlaybook`. */
export interface PlaybookFlow<in Input = never, out Result = unknown> {
  readonly "~flow"?: { readonly input: (input: Input) => void; readonly result: Result } | undefined;
}

/** A flow, or a function that creates one. The function is called once per flow that uses it. */
export type Playbook<Input = never, Result = unknown> =
  | PlaybookFlow<Input, Result>
  | (() => PlaybookFlow<Input, Result> | readonly [PlaybookFlow<Input, Result>, unknown]);

/** Options of {@link Context.callPlaybook}. */
export interface PlaybookOptions {
  /** Milliseconds after which the playbook is cancelled. @defaultValue none */
  readonly timeoutMs?: number | undefined;
  /**
   * The name of this call among those of the handler. Answers to pauses and idempotency keys inside the playbook belong
   * to it. Set it when a retry may make other calls before this one.
   *
   * @defaultValue the number of the call
   */
  readonly key?: string | undefined;
}

/**
 * The runtime's interface to a handler. All waits end with the attempt: they reject with the signal's reason on cancel,
 * timeout or shutdown.
 */
export interface Context<Resources = unknown, Output = unknown> {
  /** The name of the node. */
  readonly node: string;
  /** Names of the node's successors, in declared order. */
  readonly successors: readonly string[];
  readonly traceId: string;
  readonly tenant: string;
  /** The one that the trace acts for, if its caller named one. */
  readonly principal: Principal | undefined;
  readonly headers: MessageHeaders;
  /** The message being handled. */
  readonly message: Message;
  /** 1 for the first try. */
  readonly attempt: number;
  /**
   * Aborts when the attempt is over before its handler: cancel, deadline, node timeout, shutdown. Pass it to everything
   * that can be aborted. Its reason is a `FlowError`, on cancel a `TraceCancelled`.
   */
  readonly signal: AbortSignal;
  /** Epoch milliseconds at which the trace ends as exhausted, if it has a deadline. */
  readonly deadlineAt: number | undefined;
  /** The value given to `flow.run({ resources })`. */
  readonly resources: Resources;
  /** Key for side effects: the same for every attempt of this message at this node, and unique to it. */
  readonly idempotencyKey: string;
  /** The budget of the trace, from `call(input, { budget })`. A trace that was given none counts and refuses nothing. */
  readonly budget: TraceBudget;
  /** The log of the trace; in a playbook, that of the playbook's own. */
  readonly log: TraceLog;

  /**
   * Sends a further message. Resolves when every target edge has accepted it. A node with retries holds its messages
   * back until the attempt has succeeded.
   *
   * @throws FlowError `ROUTE_UNKNOWN`, `HELD_LIMIT`, `ATTEMPT_OVER`
   */
  emit(value: Output | Message<Output>, target?: EmitTarget): Promise<void>;
  /**
   * Sends a further message if there is capacity right away.
   *
   * @throws FlowError `QUEUE_FULL` when an edge is full; nothing is sent then
   */
  emitNowait(value: Output | Message<Output>, target?: EmitTarget): void;
  /**
   * Sends a piece of a stream: text, or data of a kind. Resolves when the reader of the trace's stream has capacity for more; a stream without a
   * reader accepts everything and keeps nothing.
   *
   * @throws FlowError `STREAM_BUSY` when another writer holds the stream
   */
  emitChunk(chunk: ChunkInit): Promise<StreamChunk>;
  /**
   * Reports an event of the program's own to middlewares, state store, bus and instrument, declared in `AppEvents`. It is
   * reported at once, also by an attempt that fails later. It costs nothing if the flow has no observer. Data that is no
   * JSON or is too long is logged as `event_refused` and not reported.
   *
   * @throws TypeError if the type does not begin with `app.`; FlowError `ATTEMPT_OVER`
   */
  tell(event: AppEventInit): void;
  /**
   * Takes the next message of the same trace that is queued for this node, so that one handler can consume several. The
   * worker slot is released during the wait.
   *
   * @throws FlowError `FETCH_STARVED` when none can arrive any more, `WAIT_TIMEOUT`
   */
  fetch(options?: WaitOptions & { readonly from?: NodeOrName | readonly NodeOrName[] }): Promise<Message>;
  /** Does the same as {@link Context.fetch}, for messages of any of the named predecessors. */
  fetchAny(options?: WaitOptions & { readonly from?: NodeOrName | readonly NodeOrName[] }): Promise<Message>;
  /**
   * Runs another flow for a message and resolves with its first result. Trace id, headers, meta, deadline, budgets,
   * cancellation and observers are inherited; its chunks join this trace's stream.
   *
   * @param message - a payload or a message; @defaultValue the message being handled
   * @throws FlowError with which the playbook ended
   */
  callPlaybook<Input, Result>(
    playbook: Playbook<Input, Result>,
    message?: Input | Message<Input>,
    options?: PlaybookOptions,
  ): Promise<Result>;
  /**
   * Runs a side effect at most once per trace. Its value is stored and returned to later calls with the same key: after
   * a retry and, in a durable flow, after a crash. `run` receives a key for other systems, stable across calls. In a
   * durable flow its value must be data.
   *
   * @throws FlowError `EFFECT_FAILED` when it has failed before, `EFFECT_UNKNOWN` when the process ended during it
   */
  once<Value>(
    key: string,
    run: (effectKey: string) => Value | Promise<Value>,
    options?: OnceOptions<Value>,
  ): Promise<Value>;
  /**
   * Pauses until `flow.pauses.resume` is called with an answer, for any length of time: in a durable flow, the process may end
   * in between. The handler does not stay in flight: its `signal` aborts. Once there is an answer it is **called again
   * from its beginning**, and this call returns the answer at once. Wrap effects that must not repeat in {@link
   * Context.once}; messages that were sent before are not sent again.
   *
   * An answer is matched by the pause's name, or else its reason, and never to another question.
   *
   * A handler may ask for several answers at once. It is called again for each answer, but continues only with all of
   * them: `Promise.race` of pauses waits for all. In a `Promise.race` with a timer the timer never wins, because the
   * handler has been aborted: limit a pause with `expiresAt`. The trace's outcome is `paused` when nothing else is left
   * to do. Its deadline keeps running; a cancelled trace accepts no answers. An answer that fails the schema is
   * refused, and the pause stays open.
   */
  pause<Value = unknown>(init: PauseInit<Value>): Promise<Value>;
  /**
   * Waits for `delayMs` milliseconds. Without a name the handler stays in flight, holds its slot, and after a crash waits
   * anew. With a name the message is parked, as in {@link Context.sleepUntil}, until `delayMs` after the first call.
   *
   * @throws TypeError when another sleep of the handler has the name
   */
  sleep(delayMs: number, options?: SleepOptions): Promise<void>;
  /**
   * Parks the message until `at`, in epoch milliseconds, for any length of time: in a durable flow, the process may end
   * in between. The handler does not stay in flight: its `signal` aborts. When the sleep is over it is **called again
   * from its beginning**, and this call resolves at once, as it does when `at` has passed already.
   *
   * The first call of the handler fixes the instant; a later one that passes another instant changes nothing. A handler
   * with several sleeps names each.
   *
   * @throws TypeError when another sleep of the handler has the name, or neither has one
   */
  sleepUntil(at: number, options?: SleepOptions): Promise<void>;
  /**
   * Signals of a name, which `flow.signal` sends into this trace. Each is delivered to one message, and consumed when
   * that message is done. A handler that is called again before that receives the same signals in the same order.
   *
   * A handler that waits for a signal is parked, as in {@link Context.pause}, and **called again from its beginning**.
   * Signals sent before a handler asks for them wait in the trace. The wait counts for no caller: none is told `paused`.
   *
   * @throws TypeError when a message the handler has sent is blocked
   */
  signals<Value = unknown>(name: string, options?: SignalOptions): Signals<Value>;
}

/**
 * The runtime's interface to a policy's `onFailed`: the part of a handler's that a second way needs. A fallback sends
 * one value, its own; it neither emits nor pauses.
 */
export interface FallbackContext<Resources = unknown> extends Pick<
  Context<Resources>,
  | "traceId"
  | "tenant"
  | "principal"
  | "headers"
  | "signal"
  | "deadlineAt"
  | "resources"
  | "idempotencyKey"
  | "budget"
  | "log"
  | "tell"
> {
  /** The name of the node. */
  readonly node: string;
  /** The number of the attempt that failed. */
  readonly attempt: number;
  /**
   * Sets the reason that `node_fallback` reports: a word of a closed list of the program's own.
   *
   * @defaultValue the failure's code
   * @throws TypeError unless it is a non-empty string
   */
  because(reason: string): void;
  /** Waits for `delayMs` milliseconds on the flow's clock. */
  sleep(delayMs: number): Promise<void>;
  /** Does the same as {@link Context.once}; a key is shared with the handler that failed. */
  once<Value>(
    key: string,
    run: (effectKey: string) => Value | Promise<Value>,
    options?: OnceOptions<Value>,
  ): Promise<Value>;
}

/** A handler's return value: a payload, a message, or nothing. */
export type HandlerResult<Output> = Output | Message<Output> | undefined | void;

/** A handler that receives the message with its envelope. */
export type MessageHandler = (message: Message<never>, ctx: Context<never>) => unknown;

/** A handler that receives the payload alone. */
export type PayloadHandler = (payload: never, ctx: Context<never>) => unknown;
