import { onAbort } from "../foundation/abort.ts";
import { describeThrown, errorPayload, FlowError, FlowErrorCode } from "../foundation/flow-error.ts";
import {
  requireFunction,
  requireInteger,
  requireKnownKeys,
  requireNumber,
  requireOneOf,
  shown,
} from "../foundation/options.ts";
import type { Schema, SchemaInput, SchemaOutput } from "../foundation/schema.ts";
import type { ChunkInit, Context, HandlerResult } from "../graph/handler.ts";
import { FlowNode, type NodeClaims } from "../graph/node.ts";
import { type Policy, policyObject } from "../graph/node-policy.ts";
import { WM } from "../message/controller.ts";
import { Message, withoutPrincipal } from "../message/message.ts";
import type { RemoteInterrupt } from "../message/remote-interrupt.ts";
import type {
  RemoteBudget,
  RemoteCallRequest,
  RemoteCallResult,
  RemoteStreamEvent,
  RemoteTask,
  RemoteTransport,
} from "../ports/remote-transport.ts";
import { RemoteDesk } from "../engine/context/remote-desk.ts";
import { isFinal, MAX_RESUBSCRIBES, readAnswer } from "./remote-answer.ts";

/** Agent, skill and options of a {@link remoteNode}. */
export interface RemoteNodeOptions<
  Input extends Schema<unknown, unknown>,
  Output extends Schema<unknown, unknown>,
  Interrupts extends "fail" | "send" = "fail" | "send",
> extends Omit<NodeClaims, "placement"> {
  readonly transport: RemoteTransport;
  readonly agentUrl: string;
  readonly skill: string;
  /** Schema of the node's input. @defaultValue anything */
  readonly input?: Input | undefined;
  /** Schema of the agent's answer; `shape<Found>()` where nothing needs checking. @defaultValue unknown */
  readonly output?: Output | undefined;
  /**
   * Policy of the node. In a durable flow the agent is called only once the message is stored: `durable` defaults to
   * `"before"`.
   */
  readonly policy?: Policy<SchemaInput<Input>, HandlerResult<SchemaInput<Output>>> | undefined;
  /** Whether the agent's text is forwarded to the trace's stream as it arrives. @defaultValue false */
  readonly streaming?: boolean | undefined;
  /** The keys of meta that are sent; no others are. @defaultValue none */
  readonly meta?: readonly string[] | undefined;
  /**
   * Whether the principal of the trace is passed to the transport. An agent is another system: it should know its callers
   * by their credentials. @defaultValue false
   */
  readonly sendsPrincipal?: boolean | undefined;
  /** The task that a message answers, or the conversation it continues. @defaultValue a new task */
  readonly continues?: ((message: Message<SchemaOutput<Input>>) => RemoteCallRequest["continues"]) | undefined;
  /**
   * Behaviour when a task waits for its caller. `"fail"` cancels it and fails the attempt with `REMOTE_INTERRUPTED`;
   * otherwise the node sends a {@link RemoteInterrupt} in place of the answer.
   *
   * @defaultValue `"fail"`
   */
  readonly interrupts?: Interrupts | undefined;
  /**
   * Timeout for cancelling a task, in milliseconds, including the wait for its id. A flow waits `graceMs` for it.
   *
   * @defaultValue 900
   */
  readonly cancelTimeoutMs?: number | undefined;
  /** Maximum number of times that an interrupted answer is resumed, after 100 ms, 200 ms and so on. @defaultValue 3 */
  readonly maxResubscribes?: number | undefined;
}

const OPTIONS: readonly string[] = [
  "transport",
  "agentUrl",
  "skill",
  "input",
  "output",
  "policy",
  "streaming",
  "meta",
  "sendsPrincipal",
  "continues",
  "interrupts",
  "cancelTimeoutMs",
  "maxResubscribes",
  "effects",
  "calls",
  "boundsLoop",
];

/**
 * Creates a node whose work is done by another agent. Tenant, trace id, deadline, remaining budgets and the trace
 * context are sent along. When the attempt ends before the agent has answered, for any reason, the agent's task is
 * cancelled once. An interrupted answer is resumed, and never forwarded in part. With a state store, the flow records
 * the trace's tasks: {@link remoteTasks}.
 *
 * @example
 * ```ts
 * const search = remoteNode("search", { transport, agentUrl, skill: "find", output: Found, streaming: true });
 * ```
 * @throws TypeError, RangeError when an option is unusable
 */
export function remoteNode<
  const Name extends string,
  Input extends Schema<unknown, unknown> = Schema<unknown, unknown>,
  Output extends Schema<unknown, unknown> = Schema<unknown, unknown>,
  const Interrupts extends "fail" | "send" = "fail",
>(
  name: Name,
  options: RemoteNodeOptions<Input, Output, Interrupts>,
): FlowNode<Name, SchemaInput<Input>, SchemaOutput<Output> | (Interrupts extends "send" ? RemoteInterrupt : never)> {
  requireOptions(name, options);
  const { input, output, policy, effects, calls, boundsLoop, interrupts = "fail" } = options;
  const handler = (message: Message<never>, ctx: Context<never>): Promise<unknown> =>
    new RemoteCall(options, message, ctx).run();
  return new FlowNode({
    name,
    kind: "remote",
    style: "message",
    handler,
    input,
    output: output !== undefined && interrupts === "send" ? orInterrupt(output) : output,
    // stored before the call, so that the agent never works for a message that a crash has erased
    policy: { durable: "before", ...policyObject(policy) },
    effects,
    calls,
    boundsLoop,
    note: options.skill,
    remote: { agentUrl: options.agentUrl, skill: options.skill },
  });
}

type AnyOptions = RemoteNodeOptions<Schema<unknown, unknown>, Schema<unknown, unknown>>;

function requireOptions(name: string, options: AnyOptions): void {
  const what = `remote node "${name}"`;
  requireKnownKeys(what, options, OPTIONS);
  const { transport, agentUrl, skill, continues, interrupts, cancelTimeoutMs, maxResubscribes, meta, sendsPrincipal } =
    options;
  for (const method of ["send", "stream", "resubscribe", "cancel"] as const)
    requireFunction(`transport.${method}" of "${what}`, (transport as Partial<RemoteTransport> | undefined)?.[method]);
  for (const [option, value] of Object.entries({ agentUrl, skill })) {
    if (typeof value !== "string" || value === "")
      throw new TypeError(`Option "${option}" of ${what} must be a non-empty string: got ${shown(value)}`);
  }
  if (meta !== undefined && !(Array.isArray(meta) && meta.every((key) => typeof key === "string")))
    throw new TypeError(`Option "meta" of ${what} must be a list of keys: got ${shown(meta)}`);
  if (continues !== undefined) requireFunction("continues", continues);
  if (interrupts !== undefined) requireOneOf("interrupts", interrupts, ["fail", "send"]);
  if (cancelTimeoutMs !== undefined) requireNumber("cancelTimeoutMs", cancelTimeoutMs, 0);
  if (maxResubscribes !== undefined) requireInteger("maxResubscribes", maxResubscribes, 0);
  if (sendsPrincipal !== undefined && typeof sendsPrincipal !== "boolean")
    throw new TypeError(`Option "sendsPrincipal" of ${what} must be true or false: got ${shown(sendsPrincipal)}`);
}

/** The interrupts created by remote nodes, so that an agent's answer cannot pass for one. */
const made = new WeakSet<object>();

/** Wraps a schema so that interrupts pass unchanged. */
function orInterrupt(schema: Schema<unknown, unknown>): Schema<unknown, unknown> {
  const { validate, ...standard } = schema["~standard"];
  return {
    "~standard": {
      ...standard,
      validate: (value) =>
        typeof value === "object" && value !== null && made.has(value) ? { value } : validate(value),
    },
  };
}

/**
 * One call to an agent, for one attempt.
 *
 * States: asking → bound (its task is known) → over. Any end of the attempt leads to over.
 */
class RemoteCall {
  readonly #options: AnyOptions;
  readonly #ctx: Context<never>;
  readonly #desk: RemoteDesk;
  readonly #request: RemoteCallRequest;
  /** Aborts the call, but not before the agent has been told that its task is unwanted. */
  readonly #connection = new AbortController();
  readonly #startedAt: number;
  #task: RemoteTask | undefined;
  #onTask = (): void => {};
  /** Whether the task is finished. */
  #isOver = false;
  #events = 0;
  /** Bytes so far; absent where the transport does not count. */
  #bytes: { sent: number; received: number } | undefined;
  #receivedBefore = 0;

  constructor(options: AnyOptions, message: Message, ctx: Context<never>) {
    this.#options = options;
    this.#ctx = ctx;
    this.#desk = new RemoteDesk(ctx);
    this.#startedAt = this.#desk.now;
    const { skill, agentUrl, continues } = options;
    const { traceparent, tracestate } = message.meta;
    this.#request = {
      message: new Message({
        payload: message.payload,
        headers: options.sendsPrincipal === true ? message.headers : withoutPrincipal(message.headers),
        traceId: message.traceId,
        createdAt: message.createdAt,
        deadlineAt: this.#desk.deadlineAt,
        meta: allowed(message, options.meta ?? []),
      }),
      skill,
      agentUrl,
      idempotencyKey: this.#desk.idempotencyKey,
      signal: this.#connection.signal,
      traceparent: typeof traceparent === "string" ? traceparent : undefined,
      tracestate: typeof tracestate === "string" ? tracestate : undefined,
      budget: budgetOf(message.payload),
      traceBudget: this.#desk.budgetLeft,
      continues: continues?.(message),
      onTask: (task) => this.#learn(task),
      onBytes: ({ sent, received }) => {
        const { sent: sentBefore, received: receivedBefore } = this.#bytes ?? { sent: 0, received: 0 };
        this.#bytes = { sent: sentBefore + sent, received: receivedBefore + received };
      },
    };
  }

  async run(): Promise<unknown> {
    const { signal } = this.#ctx;
    if (this.#desk.hasListeners) this.#desk.report({ type: "remote_call_start", ...this.#place() });
    const answer = this.#read();
    let stay = (): void => {};
    const left = new Promise<never>((_, reject) => {
      stay = onAbort(signal, (reason) => {
        // marks the task's key as used up before the next attempt begins, which needs another task
        if (!this.#desk.goesOnAfter(reason)) this.#desk.useUp();
        reject(reason);
      });
    });
    try {
      return this.#settle(await Promise.race([answer, left]));
    } catch (error) {
      if (signal.aborted) {
        // a task whose answer the next run resumes continues in the meantime
        const wasHeard = !this.#desk.goesOnAfter(signal.reason) && (await this.#cancelTask(answer));
        if (this.#desk.hasListeners)
          this.#desk.report({
            type: "remote_call_cancelled",
            ...this.#end(),
            reason: describeThrown(signal.reason),
            wasHeard,
          });
        throw signal.reason;
      }
      throw await this.#fail(error, answer);
    } finally {
      stay();
      this.#connection.abort(new Error("The call is over"));
    }
  }

  #read(): Promise<RemoteCallResult> {
    const { transport, agentUrl, streaming = false, maxResubscribes = MAX_RESUBSCRIBES } = this.#options;
    const request = this.#request;
    const { signal, onBytes } = request;
    const answer = readAnswer({
      agentUrl,
      open: () => (streaming ? transport.stream(request) : answered(transport.send(request))),
      goesOn: request.continues?.taskId !== undefined,
      canReopen: () => this.#task !== undefined,
      reopen: () => transport.resubscribe(this.#task as RemoteTask, { signal, onBytes }),
      maxResubscribes,
      sleep: (delayMs) => this.#ctx.sleep(delayMs),
      onEvent: (event) => this.#heard(event),
      onText: streaming ? (text) => this.#ctx.emitChunk({ text }) : undefined,
      // an agent's kinds are known at run time only
      onChunk: streaming ? ({ kind, data }) => this.#ctx.emitChunk({ kind, data } as unknown as ChunkInit) : undefined,
    });
    answer.catch(() => {});
    return answer;
  }

  #heard(event: RemoteStreamEvent): void {
    const { taskId, contextId, state = "completed" } = event;
    if (event.done && state === "completed") this.#isOver = true;
    if (taskId !== undefined) this.#learn({ taskId, contextId });
    if (!this.#desk.hasListeners || this.#options.streaming !== true) return;
    const received = this.#bytes?.received;
    this.#desk.report({
      type: "remote_stream_event",
      ...this.#place(),
      index: this.#events,
      done: event.done,
      ...(received === undefined ? {} : { bytesReceived: received - this.#receivedBefore }),
    });
    this.#events += 1;
    this.#receivedBefore = received ?? 0;
  }

  #learn({ taskId, contextId }: Pick<RemoteTask, "taskId" | "contextId">): void {
    if (this.#task !== undefined) return;
    this.#task = { tenant: this.#ctx.tenant, agentUrl: this.#options.agentUrl, taskId, contextId };
    this.#desk.bind(this.#task);
    this.#onTask();
  }

  /** Returns the node's output. */
  #settle({ result, state = "completed", spent }: RemoteCallResult): unknown {
    const { skill, agentUrl, interrupts = "fail" } = this.#options;
    const { taskId, contextId } = this.#task ?? { taskId: undefined, contextId: undefined };
    if (state !== "completed" && interrupts === "fail") {
      throw new FlowError({
        code: FlowErrorCode.REMOTE_INTERRUPTED,
        message: `Skill "${skill}" of agent "${agentUrl}" stopped with "${state}", which node "${this.#ctx.node}" does not forward; set interrupts: "send"`,
        details: { state, taskId, contextId },
      });
    }
    if (this.#desk.hasListeners) this.#desk.report({ type: "remote_call_success", ...this.#end(), state });
    if (state === "completed") {
      if (spent !== undefined) this.#desk.charge(spent);
      return result;
    }
    const interrupt: RemoteInterrupt = Object.freeze({
      kind: state,
      prompt: result,
      skill,
      agentUrl,
      taskId,
      contextId,
    });
    made.add(interrupt);
    return interrupt;
  }

  /** Returns the error of the attempt. A task that may be in flight is cancelled first. */
  async #fail(error: unknown, answer: Promise<unknown>): Promise<unknown> {
    const { node, traceId, tenant, attempt } = this.#ctx;
    if (this.#task !== undefined) {
      this.#desk.useUp();
      if (!isFinal(error)) await this.#cancelTask(answer);
    }
    if (this.#desk.hasListeners)
      this.#desk.report({ type: "remote_call_error", ...this.#end(), error: errorPayload(error) });
    this.#desk.exhaust();
    if (!(error instanceof FlowError) || !error.code.startsWith("REMOTE_")) return error;
    const { code, message, details } = error;
    return new FlowError({ code, message, traceId, tenant, node, attempt, details, cause: error });
  }

  /**
   * Cancels the task, even one whose id is still to arrive.
   *
   * @returns whether the agent has acknowledged it
   */
  async #cancelTask(answer: Promise<unknown>): Promise<boolean> {
    const { transport, cancelTimeoutMs = 900, agentUrl } = this.#options;
    const patience = new AbortController();
    const takeBack = this.#desk.after(cancelTimeoutMs, () =>
      patience.abort(new Error(`The cancel took longer than ${cancelTimeoutMs} ms`)),
    );
    const tired = new Promise<never>((_, reject) => void onAbort(patience.signal, reject));
    tired.catch(() => {});
    try {
      if (this.#task === undefined) {
        const known = new Promise<void>((resolve) => (this.#onTask = resolve));
        await Promise.race([known, answer, tired]).catch(() => {});
      }
      if (this.#task === undefined || this.#isOver) return false;
      await Promise.race([transport.cancel(this.#task, { signal: patience.signal }), tired]);
      return true;
    } catch (error) {
      this.#desk.warn("remote_cancel_failed", { agentUrl, taskId: this.#task?.taskId, error: errorPayload(error) });
      return false;
    } finally {
      takeBack();
    }
  }

  #place() {
    const { skill, agentUrl } = this.#options;
    const { taskId, contextId } = this.#task ?? { taskId: undefined, contextId: undefined };
    return { skill, agentUrl, taskId, contextId };
  }

  #end() {
    const latencyMs = this.#desk.now - this.#startedAt;
    return { ...this.#place(), latencyMs, bytesSent: this.#bytes?.sent, bytesReceived: this.#bytes?.received };
  }
}

/** Yields an answer that arrives in one piece. */
async function* answered(answer: Promise<RemoteCallResult>): AsyncGenerator<RemoteStreamEvent, void, undefined> {
  yield { ...(await answer), done: true };
}

function allowed({ meta }: Message, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(keys.filter((key) => Object.hasOwn(meta, key)).map((key) => [key, meta[key]]));
}

function budgetOf(payload: unknown): RemoteBudget | undefined {
  if (!(payload instanceof WM)) return undefined;
  const { hops, budgetHops, tokensUsed, budgetTokens } = payload;
  return {
    hops: budgetHops === null ? null : Math.max(0, budgetHops - hops),
    tokens: budgetTokens === null ? null : Math.max(0, budgetTokens - tokensUsed),
  };
}
