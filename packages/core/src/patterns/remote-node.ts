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
import type { Context } from "../graph/handler.ts";
import { FlowNode, type NodeClaims } from "../graph/node.ts";
import type { NodePolicy } from "../graph/node-policy.ts";
import { WM } from "../message/controller.ts";
import { Message } from "../message/message.ts";
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

/** Which skill of which agent a {@link remoteNode} calls, and how. */
export interface RemoteNodeOptions<
  Input extends Schema<unknown, unknown>,
  Output extends Schema<unknown, unknown>,
  Interrupts extends "fail" | "send" = "fail" | "send",
> extends NodeClaims {
  readonly transport: RemoteTransport;
  readonly agentUrl: string;
  readonly skill: string;
  /** What the node takes. @defaultValue anything */
  readonly input?: Input | undefined;
  /** What the agent answers; `shape<Found>()` where nothing is to be checked. @defaultValue not known */
  readonly output?: Output | undefined;
  /** In a durable flow the agent is called when the message is stored: `durable` is `"before"` unless it is given. */
  readonly policy?: NodePolicy | undefined;
  /** Whether the agent's text goes into the trace's stream as it comes. @defaultValue false */
  readonly streaming?: boolean | undefined;
  /** The keys of meta that travel; no other does. @defaultValue none */
  readonly meta?: readonly string[] | undefined;
  /** The task that a message answers, or the conversation it goes on with. @defaultValue a new task */
  readonly continues?: ((message: Message<SchemaOutput<Input>>) => RemoteCallRequest["continues"]) | undefined;
  /**
   * What becomes of a task that waits for its caller: it is cancelled and the attempt fails with
   * `REMOTE_INTERRUPTED`, or the node sends a {@link RemoteInterrupt} in place of the answer.
   *
   * @defaultValue `"fail"`
   */
  readonly interrupts?: Interrupts | undefined;
  /**
   * Milliseconds that the cancel of a task may take, the wait for its id included. A flow waits `graceMs` for it.
   *
   * @defaultValue 900
   */
  readonly cancelTimeoutMs?: number | undefined;
  /** How often an answer that broke off is taken up again, after 100 ms, 200 ms and so on. @defaultValue 3 */
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
  "continues",
  "interrupts",
  "cancelTimeoutMs",
  "maxResubscribes",
  "effects",
  "calls",
  "boundsLoop",
];

/**
 * A node whose work another agent does. Tenant, trace id, deadline, what is left of budgets and the place in the
 * caller's trace travel. When its attempt is over before the agent has answered, whyever, the agent's task is
 * cancelled, once. An answer that breaks off is taken up again, and never passed on in part. Where the flow has a
 * state store, it keeps which task works for the trace: {@link remoteTasks}.
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
    // the agent hears of nothing that this side may have forgotten after a crash
    policy: { durable: "before", ...policy },
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
  const { transport, agentUrl, skill, continues, interrupts, cancelTimeoutMs, maxResubscribes, meta } = options;
  for (const method of ["send", "stream", "resubscribe", "cancel"] as const)
    requireFunction(`transport.${method}" of "${what}`, (transport as Partial<RemoteTransport> | undefined)?.[method]);
  for (const [option, value] of Object.entries({ agentUrl, skill })) {
    if (typeof value !== "string" || value === "")
      throw new TypeError(`Option "${option}" of ${what} must be a string that is not empty: got ${shown(value)}`);
  }
  if (meta !== undefined && !(Array.isArray(meta) && meta.every((key) => typeof key === "string")))
    throw new TypeError(`Option "meta" of ${what} must be a list of keys: got ${shown(meta)}`);
  if (continues !== undefined) requireFunction("continues", continues);
  if (interrupts !== undefined) requireOneOf("interrupts", interrupts, ["fail", "send"]);
  if (cancelTimeoutMs !== undefined) requireNumber("cancelTimeoutMs", cancelTimeoutMs, 0);
  if (maxResubscribes !== undefined) requireInteger("maxResubscribes", maxResubscribes, 0);
}

/** The interrupts that remote nodes have made: what an agent answers cannot pass for one. */
const made = new WeakSet<object>();

/** A schema that lets interrupts pass as they are. */
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
 * One call of an agent, for one attempt.
 *
 * States: asking → bound (its task is known) → over. Whatever ends the attempt makes it over.
 */
class RemoteCall {
  readonly #options: AnyOptions;
  readonly #ctx: Context<never>;
  readonly #desk: RemoteDesk;
  readonly #request: RemoteCallRequest;
  /** Ends the call: not before the agent has heard that its task is not wanted. */
  readonly #connection = new AbortController();
  readonly #startedAt: number;
  #task: RemoteTask | undefined;
  #onTask = (): void => {};
  /** Whether the task has nothing more to do. */
  #isOver = false;
  #events = 0;
  /** Bytes so far; none where the transport does not count. */
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
        headers: message.headers,
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
        // before the next attempt begins
        if (!this.#desk.goesOnAfter(reason)) this.#desk.useUp();
        reject(reason);
      });
    });
    try {
      return this.#settle(await Promise.race([answer, left]));
    } catch (error) {
      if (signal.aborted) {
        // a task whose answer is taken up in the next run goes on meanwhile
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

  /** What the node sends. */
  #settle({ result, state = "completed" }: RemoteCallResult): unknown {
    const { skill, agentUrl, interrupts = "fail" } = this.#options;
    const { taskId, contextId } = this.#task ?? { taskId: undefined, contextId: undefined };
    if (state !== "completed" && interrupts === "fail") {
      throw new FlowError({
        code: FlowErrorCode.REMOTE_INTERRUPTED,
        message: `Skill "${skill}" of agent "${agentUrl}" stopped with "${state}", and node "${this.#ctx.node}" does not send that on: set interrupts to "send"`,
        details: { state, taskId, contextId },
      });
    }
    if (this.#desk.hasListeners) this.#desk.report({ type: "remote_call_success", ...this.#end(), state });
    if (state === "completed") return result;
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

  /** The error of the attempt. A task that may be under way is cancelled first. */
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

  /** Cancels the task if there is one, or will be soon; answers whether the agent has heard. */
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

/** An answer that comes in one piece. */
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
