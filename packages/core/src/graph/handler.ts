import type { Schema } from "../foundation/schema.ts";
import type { Message, MessageHeaders } from "../message/message.ts";
import type { Meta } from "../message/meta.ts";
import type { StreamChunk } from "../message/stream-chunk.ts";
import type { AnyNode } from "./edge-typing.ts";

/** A node, or its name. */
export type NodeOrName = AnyNode | string;

/** Where a handler's message goes instead of to all successors. */
export interface EmitTarget {
  /** Successors of the node, or `ROOKERY`, by node or name. @defaultValue all successors */
  readonly to?: NodeOrName | readonly NodeOrName[];
}

/** A wait that can be given up. */
export interface WaitOptions {
  /** Milliseconds after which the wait is rejected with `WAIT_TIMEOUT`. @defaultValue none */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What {@link Context.emitChunk} sends. */
export interface ChunkInit {
  readonly text: string;
  /** The message the chunk belongs to. @defaultValue the message being handled */
  readonly parent?: Message | undefined;
  /** @defaultValue one stream per attempt: the trace id, then the trace id with `~2`, `~3`, … */
  readonly streamId?: string | undefined;
  /** @defaultValue the next number */
  readonly seq?: number | undefined;
  /** Whether this is the last chunk. The runtime sends one when the handler did not. @defaultValue false */
  readonly done?: boolean | undefined;
  readonly meta?: Meta | undefined;
  /** Successors that get the chunk as a message, instead of the reader of the trace's stream. */
  readonly to?: NodeOrName | readonly NodeOrName[] | undefined;
}

/** What {@link Context.once} does when it cannot give a value. */
export interface OnceOptions<Value> {
  /** When it has failed in this trace: fail again, or run it again. @defaultValue `"fail"` */
  readonly ifFailed?: "fail" | "run";
  /**
   * When the process ended while it ran, so that nobody knows: fail, run it again, or call a function that finds out;
   * that one is given the same key, and what it returns is kept as the value. @defaultValue `"fail"`
   */
  readonly ifUnknown?: "fail" | "run" | ((effectKey: string) => Value | Promise<Value>);
}

/** What a handler wants to know, see {@link Context.pause}. */
export interface PauseInit<Value> {
  /** What is asked, in a few words for people. */
  readonly reason: string;
  /**
   * The name under which the answer is found when the handler is called again. Each pause of a handler needs one of its
   * own. Keep it from release to release.
   *
   * @defaultValue the reason
   */
  readonly name?: string | undefined;
  /** What whoever answers should know; data, in a durable flow. @defaultValue nothing */
  readonly payload?: unknown;
  /** What an answer must be. @defaultValue anything */
  readonly resumeSchema?: Schema<unknown, Value> | undefined;
  /** Epoch milliseconds after which the trace fails with `PAUSE_EXPIRED`. @defaultValue never */
  readonly expiresAt?: number | undefined;
}

/** A running flow as a callee: what {@link Context.callPlaybook} and `callPlaybook` accept. */
export interface PlaybookFlow<in Input = never, out Result = unknown> {
  readonly "~flow"?: { readonly input: (input: Input) => void; readonly result: Result } | undefined;
}

/** A flow, or a function that makes one. The function is called once for each flow that uses it. */
export type Playbook<Input = never, Result = unknown> =
  | PlaybookFlow<Input, Result>
  | (() => PlaybookFlow<Input, Result> | readonly [PlaybookFlow<Input, Result>, unknown]);

/** How {@link Context.callPlaybook} calls a flow. */
export interface PlaybookOptions {
  /** Milliseconds after which the playbook is given up. @defaultValue none */
  readonly timeoutMs?: number | undefined;
  /**
   * The name of this call among those of the handler, for a handler that may be called again with others before it: with
   * it go the answers to pauses and the idempotency keys inside the playbook.
   *
   * @defaultValue the number of the call
   */
  readonly key?: string | undefined;
}

/**
 * What a handler may ask of the runtime while it works. All waits end with the attempt: they reject
 * with the signal's reason when it is cancelled, times out or the flow stops.
 */
export interface Context<Resources = unknown, Output = unknown> {
  /** The name of the node. */
  readonly node: string;
  /** Names of the nodes it has edges to, in declared order. */
  readonly successors: readonly string[];
  readonly traceId: string;
  readonly tenant: string;
  readonly headers: MessageHeaders;
  /** The message being handled. */
  readonly message: Message;
  /** 1 for the first try. */
  readonly attempt: number;
  /**
   * Aborts when the attempt is over before its handler: cancel, deadline, node timeout, stop. Pass it
   * on to everything that can be aborted. Its reason is a `FlowError`, on cancel a `TraceCancelled`.
   */
  readonly signal: AbortSignal;
  /** Epoch milliseconds at which the trace is given up, if it has a deadline. */
  readonly deadlineAt: number | undefined;
  /** What was given to `flow.run({ resources })`. */
  readonly resources: Resources;
  /** The same for every attempt of this message at this node, and for no other: a key for side effects. */
  readonly idempotencyKey: string;

  /**
   * Sends a further message. Resolves when it has been accepted by every edge it goes to. A node with
   * retries holds its messages back until the attempt has succeeded.
   *
   * @throws FlowError `ROUTE_UNKNOWN`, `HELD_LIMIT`, `ATTEMPT_OVER`
   */
  emit(value: Output | Message<Output>, target?: EmitTarget): Promise<void>;
  /**
   * Sends a further message if there is room at once.
   *
   * @throws FlowError `QUEUE_FULL` when an edge has no room; nothing is sent then
   */
  emitNowait(value: Output | Message<Output>, target?: EmitTarget): void;
  /**
   * Sends a piece of a stream. Resolves when the reader of the trace's stream has room for more; a
   * stream without reader takes everything and keeps nothing.
   *
   * @throws FlowError `STREAM_BUSY` when another writer has the stream
   */
  emitChunk(chunk: ChunkInit): Promise<StreamChunk>;
  /**
   * Takes the next message of the same trace that waits for this node, so that one handler can
   * consume several. The worker slot is lent to others meanwhile.
   *
   * @throws FlowError `FETCH_STARVED` when none can come any more, `WAIT_TIMEOUT`
   */
  fetch(options?: WaitOptions & { readonly from?: NodeOrName | readonly NodeOrName[] }): Promise<Message>;
  /** {@link Context.fetch} for messages of any of the named predecessors. */
  fetchAny(options?: WaitOptions & { readonly from?: NodeOrName | readonly NodeOrName[] }): Promise<Message>;
  /**
   * Runs another flow for a message and resolves with its first result. Trace id, headers, meta,
   * deadline, budgets, cancellation and observers are passed on; its chunks join this trace's stream.
   *
   * @param message - a payload or a message; @defaultValue the message being handled
   * @throws FlowError the error the playbook ended with
   */
  callPlaybook<Input, Result>(
    playbook: Playbook<Input, Result>,
    message?: Input | Message<Input>,
    options?: PlaybookOptions,
  ): Promise<Result>;
  /**
   * Runs a side effect at most once in this trace, whatever happens: the value it gave is kept, and later calls with
   * the same key are given it, also after a retry, and in a durable flow after a crash. `run` is given a key for
   * other systems, the same whenever it is called. In a durable flow its value must be data.
   *
   * @throws FlowError `EFFECT_FAILED` when it has failed before, `EFFECT_UNKNOWN` when the process ended while it ran
   */
  once<Value>(
    key: string,
    run: (effectKey: string) => Value | Promise<Value>,
    options?: OnceOptions<Value>,
  ): Promise<Value>;
  /**
   * Waits until `flow.resume` is called with an answer, for as long as it takes: in a durable flow the process may
   * end meanwhile. The handler does not wait: it is told to stop (`signal`), and **called again from its beginning**
   * when there is an answer, which this call then gives at once. What must not happen twice belongs into
   * {@link Context.once}; messages that were sent before are not sent again.
   *
   * An answer is found again by the pause's name, else by its reason, and never goes to another question.
   *
   * A handler may ask for several answers at once and is called again for each that comes, but goes on only when it has
   * those it asks for: `Promise.race` of pauses waits for all. In a `Promise.race` with a timer the timer never wins, since
   * the handler has been told to stop: limit a pause with `expiresAt`. The trace's outcome is `paused` when nothing else is left to do. Its deadline goes on; a cancelled trace
   * takes no answers. An answer that does not fit the schema is refused, and the pause stays open.
   */
  pause<Value = unknown>(init: PauseInit<Value>): Promise<Value>;
  /** Resolves after `delayMs` milliseconds of the flow's clock. */
  sleep(delayMs: number): Promise<void>;
}

/** What a handler may return: a payload, a message, or nothing. */
export type HandlerResult<Output> = Output | Message<Output> | undefined | void;

/** A function at a node that is given the message with its envelope. */
export type MessageHandler = (message: Message<never>, ctx: Context<never>) => unknown;

/** A function at a node that is given the payload alone. */
export type PayloadHandler = (payload: never, ctx: Context<never>) => unknown;
