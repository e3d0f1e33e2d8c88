import { type AgentCard, Role, type SendMessageRequest, type StreamResponse, type Task, TaskState } from "@a2a-js/sdk";
import { TaskNotCancelableError, TaskNotFoundError, UnsupportedOperationError } from "@a2a-js/sdk/errors";
import type {
  RemoteCallHooks,
  RemoteCallRequest,
  RemoteCallResult,
  RemoteStreamEvent,
  RemoteTask,
  RemoteTransport,
} from "penguiflow";
import { requireFunction, requireKnownKeys, requireNumber } from "penguiflow/adapter";
import { type CallFacts, EXTENSION, partsOf } from "../wire.ts";
import { AnswerReader } from "./answer-reader.ts";
import { type Agent, Agents, type Binding } from "./agents.ts";
import { requestSignal } from "./counted-fetch.ts";
import { cut, errorOf, refused } from "./failures.ts";
import type { CallOptions, GrpcTls } from "./grpc-client.ts";

/** Options of {@link A2AClientTransport}. */
export interface A2AClientOptions {
  /** Headers for each request of a call, such as `authorization`. @defaultValue none */
  readonly headers?: (call: {
    readonly agentUrl: string;
    readonly tenant: string;
  }) => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>;
  /**
   * Chooses the tenant to send to an agent, `undefined` for none. An agent without a tenant sees all our tenants as one
   * caller, unless `headers` tells them apart. @defaultValue the caller's, for flows of PenguiFlow; else that of the
   * card
   */
  readonly tenant?: (tenant: string, card: AgentCard) => string | undefined;
  /**
   * Preferred bindings, where an agent has several. gRPC needs the packages `@grpc/grpc-js` and `@bufbuild/protobuf`.
   * @defaultValue the order of its card, gRPC last
   */
  readonly bindings?: readonly Binding[];
  /** Time until an answer must begin, in milliseconds. @defaultValue 30000 */
  readonly timeoutMs?: number;
  /** Time for which a card is cached, in milliseconds. @defaultValue 300000 */
  readonly cardMaxAgeMs?: number;
  /**
   * Longest interval between two polls of a task, in milliseconds: for nodes without `streaming`, and agents that do
   * not stream. The first intervals are shorter. @defaultValue 500
   */
  readonly pollMs?: number;
  /**
   * Certificates for gRPC, which encrypts with them. @defaultValue none: encrypted when the URL of the agent or of its
   * interface begins with `https:`
   */
  readonly grpcTls?: GrpcTls;
  /** Implementation of `fetch`; not used for gRPC. @defaultValue the global one, which reuses connections */
  readonly fetch?: typeof globalThis.fetch;
}

const OPTIONS: readonly string[] = [
  "headers",
  "tenant",
  "bindings",
  "timeoutMs",
  "cardMaxAgeMs",
  "pollMs",
  "grpcTls",
  "fetch",
];

/** Delay before the second poll of a task, in milliseconds. Each further one doubles, up to `pollMs`. */
const FIRST_POLL_MS = 20;

const ENDED_EARLY = "it ended before its last event";

/** An agent with the parameters of one call. */
interface Line extends Agent {
  readonly options: CallOptions;
  /** Tenant sent to the agent. */
  readonly tenant: string;
  readonly isFlow: boolean;
}

/**
 * Calls agents by A2A: over JSON-RPC or HTTP+JSON, version 1.0 or else 0.3, or over gRPC, version 1.0. The URL of an
 * agent is the base of its card, `/.well-known/agent-card.json`, or the URL of the card itself.
 *
 * @example
 * ```ts
 * const transport = new A2AClientTransport({ headers: ({ tenant }) => ({ authorization: tokenOf(tenant) }) });
 * const search = remoteNode("search", { transport, agentUrl: "https://search.example", skill: "find" });
 * ```
 */
export class A2AClientTransport implements RemoteTransport {
  readonly #options: A2AClientOptions;
  readonly #agents: Agents;

  /** @throws TypeError, RangeError when an option is unknown or invalid */
  constructor(options: A2AClientOptions = {}) {
    requireOptions(options);
    this.#options = options;
    this.#agents = new Agents(options);
  }

  /**
   * Calls a skill and resolves when its task is complete or waits for its caller. Polls the task, at most every
   * `pollMs`, and does not use the agent's streaming methods.
   */
  async send(request: RemoteCallRequest): Promise<RemoteCallResult> {
    for await (const event of this.#call(request, false)) if (event.done) return { ...event, result: event.result };
    throw cut(request.agentUrl, ENDED_EARLY);
  }

  /** Calls a skill and yields its answer in parts, as the agent streams them; polls where it does not stream. */
  stream(request: RemoteCallRequest): AsyncGenerator<RemoteStreamEvent, void, undefined> {
    return this.#call(request, true);
  }

  /**
   * Reads the answer of a task again, from its beginning.
   *
   * @throws FlowError `REMOTE_CUT` when the agent has nothing more to say of a task that is not over
   */
  resubscribe(
    task: RemoteTask,
    hooks: Pick<RemoteCallRequest, "signal" | "onBytes">,
  ): AsyncGenerator<RemoteStreamEvent, void, undefined> {
    return this.#answer(task, hooks, (line) => this.#subscribe(task.taskId, line, hooks.signal), true);
  }

  /** Cancels a task at the agent; finished and unknown tasks are ignored. */
  async cancel(
    { tenant, agentUrl, taskId }: RemoteTask,
    { signal = new AbortController().signal }: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<void> {
    try {
      const line = await this.#line({ tenant, agentUrl }, { signal });
      await line.client.cancelTask({ tenant: line.tenant, id: taskId, metadata: undefined }, line.options);
    } catch (error) {
      if (error instanceof TaskNotFoundError || error instanceof TaskNotCancelableError) return;
      throw errorOf(error, agentUrl, signal);
    }
  }

  #call(request: RemoteCallRequest, streams: boolean): AsyncGenerator<RemoteStreamEvent, void, undefined> {
    const { agentUrl, message, skill } = request;
    const { tenant } = message.headers;
    return this.#answer({ tenant, agentUrl }, request, (line) => {
      requireSkill(agentUrl, line, skill);
      return streams && line.card.capabilities?.streaming === true
        ? line.client.sendMessageStream(paramsOf(request, line, false), withTrace(line.options, request))
        : this.#sendAndPoll(line, request);
    });
  }

  /** @param isTask - whether the answer belongs to a task that is known beforehand */
  async *#answer(
    { tenant, agentUrl }: Pick<RemoteTask, "tenant" | "agentUrl">,
    hooks: RemoteCallHooks & { readonly signal: AbortSignal },
    ask: (line: Line) => AsyncIterable<StreamResponse>,
    isTask = false,
  ): AsyncGenerator<RemoteStreamEvent, void, undefined> {
    const { signal } = hooks;
    signal.throwIfAborted();
    // leaving the loop closes the connection
    const leave = new AbortController();
    let reader: AnswerReader | undefined;
    try {
      const line = await this.#line(
        { tenant, agentUrl },
        { ...hooks, signal: AbortSignal.any([signal, leave.signal]) },
      );
      reader = new AnswerReader(agentUrl, line.isFlow, hooks);
      for await (const event of ask(line)) {
        signal.throwIfAborted();
        yield* reader.take(event);
        if (reader.isDone) return;
      }
      // an answer that ends without a last event is incomplete
      throw cut(agentUrl, ENDED_EARLY);
    } catch (error) {
      throw errorOf(error, agentUrl, signal, isTask || reader?.isBound);
    } finally {
      leave.abort();
    }
  }

  async *#sendAndPoll(line: Line, request: RemoteCallRequest): AsyncGenerator<StreamResponse, void, undefined> {
    // answered at once, with a task that can be polled and cancelled
    const answer = await line.client.sendMessage(paramsOf(request, line, true), withTrace(line.options, request));
    if (!("status" in answer)) {
      yield { payload: { $case: "message", value: answer } };
      return;
    }
    yield { payload: { $case: "task", value: answer } };
    yield* this.#poll(answer.id, line, request.signal);
  }

  async *#poll(id: string, line: Line, signal: AbortSignal): AsyncGenerator<StreamResponse, void, undefined> {
    const { pollMs = 500 } = this.#options;
    // short first delays, so that the answer of a short task arrives early
    for (let delayMs = FIRST_POLL_MS; ; delayMs *= 2) {
      const value = await line.client.getTask({ tenant: line.tenant, id }, line.options);
      yield { payload: { $case: "task", value } };
      if (!isAtWork(value)) return;
      await pause(Math.min(delayMs, pollMs), signal);
    }
  }

  async *#subscribe(id: string, line: Line, signal: AbortSignal): AsyncGenerator<StreamResponse, void, undefined> {
    const { client, tenant, options } = line;
    if (line.card.capabilities?.streaming === true) {
      try {
        yield* client.resubscribeTask({ tenant, id }, options);
        // a stream that ends without a last event leaves the state of the task open: fetch it once
        yield { payload: { $case: "task", value: await client.getTask({ tenant, id }, options) } };
        return;
      } catch (error) {
        // a finished task can be fetched, but not subscribed to
        if (!(error instanceof UnsupportedOperationError)) throw error;
      }
    }
    yield* this.#poll(id, line, signal);
  }

  async #line(
    { tenant, agentUrl }: Pick<RemoteTask, "tenant" | "agentUrl">,
    { signal, onBytes }: Pick<RemoteCallRequest, "signal" | "onBytes">,
  ): Promise<Line> {
    const { headers, timeoutMs = 30_000 } = this.#options;
    const serviceParameters = { ...(await headers?.({ agentUrl, tenant })) };
    const agent = await orAborted(this.#agents.find(agentUrl, serviceParameters), signal);
    const isFlow = agent.card.capabilities?.extensions.some(({ uri }) => uri === EXTENSION) === true;
    const told =
      this.#options.tenant === undefined ? (isFlow ? tenant : undefined) : this.#options.tenant(tenant, agent.card);
    const wishes = { agentUrl, onBytes, timeoutMs };
    const options = { serviceParameters, signal: requestSignal(signal, wishes), wishes };
    return { ...agent, options, isFlow, tenant: told ?? "" };
  }
}

function paramsOf(
  request: RemoteCallRequest,
  { tenant, isFlow }: Line,
  returnImmediately: boolean,
): SendMessageRequest {
  const { message, skill, idempotencyKey, budget, traceBudget, continues } = request;
  const { topic, priority } = message.headers;
  const { traceId, deadlineAt, meta } = message;
  const facts: CallFacts = { skill, topic, priority, traceId, deadlineAt, budget, traceBudget };
  return {
    tenant,
    configuration: {
      returnImmediately,
      acceptedOutputModes: [],
      taskPushNotificationConfig: undefined,
      historyLength: undefined,
    },
    metadata: undefined,
    message: {
      messageId: `${skill}/${idempotencyKey}`,
      taskId: continues?.taskId ?? "",
      contextId: continues?.contextId ?? "",
      role: Role.ROLE_USER,
      parts: partsOf(message.payload ?? null),
      metadata: { ...meta, [EXTENSION]: facts },
      extensions: isFlow ? [EXTENSION] : [],
      referenceTaskIds: [],
    },
  };
}

function withTrace(options: CallOptions, { traceparent, tracestate }: RemoteCallRequest): CallOptions {
  const serviceParameters = {
    ...options.serviceParameters,
    ...(traceparent === undefined ? {} : { traceparent }),
    ...(tracestate === undefined ? {} : { tracestate }),
  };
  return { ...options, serviceParameters };
}

function requireSkill(agentUrl: string, { card }: Agent, skill: string): void {
  const skills = card.skills.map(({ id }) => id);
  if (skills.includes(skill)) return;
  const named = skills.map((id) => `"${id}"`).join(", ");
  throw refused(`Agent "${agentUrl}" has no skill "${skill}": it has ${named || "none"}`);
}

function isAtWork({ status }: Task): boolean {
  return status?.state === TaskState.TASK_STATE_WORKING || status?.state === TaskState.TASK_STATE_SUBMITTED;
}

/** Settles with `work`, or rejects with the reason of `signal`, whichever is first. */
async function orAborted<Value>(work: Promise<Value>, signal: AbortSignal): Promise<Value> {
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(signal.reason as Error);
  signal.addEventListener("abort", abort);
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

async function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, delayMs);
  try {
    await orAborted(promise, signal);
  } finally {
    clearTimeout(timer);
  }
}

function requireOptions(options: A2AClientOptions): void {
  requireKnownKeys("A2AClientTransport", options, OPTIONS);
  for (const key of ["headers", "tenant", "fetch"] as const)
    if (options[key] !== undefined) requireFunction(key, options[key]);
  for (const key of ["timeoutMs", "cardMaxAgeMs", "pollMs"] as const) {
    const value = options[key];
    if (value !== undefined) requireNumber(key, value, 0);
  }
}
