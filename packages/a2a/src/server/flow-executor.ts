import { type Message, type Part, Role, type Task, TaskState } from "@a2a-js/sdk";
import type { AgentExecutor, ExecutionEventBus, RequestContext, ServerCallContext } from "@a2a-js/sdk/server";
import {
  type Budget,
  BudgetExhausted,
  type EmitOptions,
  errorPayload,
  FinalAnswer,
  FlowError,
  FlowErrorCode,
  type PauseTicket,
  type StreamChunk,
  type StreamChunkBase,
  type StreamItem,
  type TraceItems,
  WM,
} from "penguiflow";
import {
  chunkPart,
  chunksOf,
  EXTENSION,
  factsIn,
  partsOf,
  RESULT_ARTIFACT,
  TEXT_ARTIFACT,
  type TaskFacts,
  textPart,
  valueOf,
  withoutFacts,
} from "../wire.ts";
import { readableError } from "./background.ts";
import { headerOf } from "./connection.ts";
import { contextKey, requireNoneWaits } from "./contexts.ts";
import type { A2ACaller } from "./server-options.ts";
import type { ServedFlow } from "./served-flow.ts";
import { seqOf, type Turn } from "./turn.ts";

/** Mapping from skills to flows. */
export interface Skills {
  /** Served flows. */
  readonly flows: readonly ServedFlow[];
  /** Finds the flow of a skill, the first flow for no skill; `undefined` for an unknown one. */
  flowOf(skill: unknown): ServedFlow | undefined;
  /** Converts a message of a caller to the payload of a flow, or to the answer of a pause. */
  payloadOf(message: Message, caller: A2ACaller, pause?: PauseTicket): unknown;
  /** Whether the tasks of a context run one after the other. */
  readonly hasSerialContexts: boolean;
  /** Whether a message is answered without a task. */
  answersWithMessage(message: Message): boolean;
  /** Whether a pause waits for an authorization rather than for the caller's input. */
  waitsForAuthorization(pause: PauseTicket): boolean;
  /** Maximum streamed text of a task, in bytes. */
  readonly maxTextBytes: number;
}

/** The work on a task, with its caller. */
export interface Assignment {
  readonly tenant: string;
  readonly turn: Turn;
}

interface Work extends Assignment {
  readonly flow: ServedFlow;
}

/** Trace of a task that an earlier process began. */
export interface FoundTrace {
  readonly flow: ServedFlow;
  readonly items: TraceItems<StreamItem<unknown>>;
}

/** Executes tasks on flows. A trace has the id of its task, and its outcome determines the task's final state. */
export class FlowExecutor implements AgentExecutor {
  readonly #skills: Skills;
  readonly #assignmentOf: (context: ServerCallContext, taskId: string) => Assignment;
  readonly #waitingTasks: (contextId: string, context: ServerCallContext) => Promise<readonly Task[]>;
  /** Work in progress, by task. */
  readonly #atWork = new Map<string, Work>();

  /** @param waitingTasks - finds the tasks of a context that wait for their caller */
  constructor(
    skills: Skills,
    assignmentOf: (context: ServerCallContext, taskId: string) => Assignment,
    waitingTasks: (contextId: string, context: ServerCallContext) => Promise<readonly Task[]>,
  ) {
    this.#skills = skills;
    this.#assignmentOf = assignmentOf;
    this.#waitingTasks = waitingTasks;
  }

  /** Works on a task until it is over or waits for its caller. Never rejects because of the flow. */
  async execute(request: RequestContext, bus: ExecutionEventBus): Promise<void> {
    try {
      await this.#execute(request, bus);
    } catch (error) {
      throw readableError(error);
    }
  }

  async #execute(request: RequestContext, bus: ExecutionEventBus): Promise<void> {
    const { taskId, contextId, task, userMessage } = request;
    const assignment = this.#assignmentOf(request.context, taskId);
    const { turn } = assignment;
    const facts = factsIn(userMessage.metadata);
    const skill = factsIn(task?.metadata)["skill"] ?? facts["skill"];
    const flow = this.#flowOf(skill);
    turn.publishOn(bus, { id: taskId, contextId }, task === undefined ? 0 : seqOf(task));
    turn.facts = factsOf(skill, facts["traceId"]);
    turn.budgeted = namesOf(facts["traceBudget"]);
    const work = { ...assignment, flow };
    await this.#work(work, async () => {
      if (task === undefined && this.#skills.answersWithMessage(userMessage)) return await this.#reply(work, request);
      await turn.task(taskAtWork(request));
      if (task === undefined) await this.#begin(work, request);
      else await this.#resume(work, request);
    });
  }

  /** Finds the trace of an orphaned task. @throws FlowError `TRACE_UNKNOWN` when it is gone */
  async find(task: Task, tenant: string): Promise<FoundTrace> {
    const flow = this.#flowOf(factsIn(task.metadata)["skill"]);
    return { flow, items: await flow.recovery.follow(task.id, { tenant, onLeave: "detach" }) };
  }

  /** Resumes a task of an earlier process, as {@link FlowExecutor.execute} does. */
  async takeUp(task: Task, { flow, items }: FoundTrace, assignment: Assignment, bus: ExecutionEventBus): Promise<void> {
    const { turn } = assignment;
    const { skill, callerTraceId } = factsIn(task.metadata);
    turn.publishOn(bus, task, seqOf(task));
    turn.facts = factsOf(skill, callerTraceId);
    turn.budgeted = namesOf(factsIn(task.history.at(-1)?.metadata)["traceBudget"]);
    const work = { ...assignment, flow };
    await this.#work(work, async () => {
      await turn.task({ ...task, status: working() });
      await this.#follow(work, items, textBytesOf(task), true);
    });
  }

  #flowOf(skill: unknown): ServedFlow {
    const flow = this.#skills.flowOf(skill);
    if (flow === undefined) throw new TypeError(`Cannot resume the task: no flow has skill "${String(skill)}"`);
    return flow;
  }

  /** Runs the work on a task, which can be cancelled meanwhile. */
  async #work(work: Work, act: () => Promise<void>): Promise<void> {
    const { turn, flow } = work;
    this.#atWork.set(turn.taskId, work);
    try {
      await act();
    } catch (error) {
      await fail(turn, error, flow.name);
    } finally {
      this.#atWork.delete(turn.taskId);
    }
  }

  /** Cancels the trace of a task. Resolves when its handlers have returned, or their grace period has passed. */
  async cancelTask(taskId: string): Promise<void> {
    const work = this.#atWork.get(taskId);
    if (work === undefined) return;
    const { flow, tenant, turn } = work;
    const message = `Task "${taskId}" was cancelled by its caller`;
    const reason = new FlowError({ code: FlowErrorCode.TRACE_CANCELLED, message });
    turn.stop.abort(reason);
    await flow.cancel(taskId, { tenant, reason });
    await turn.until(() => !this.#atWork.has(taskId), undefined);
  }

  async #begin(work: Work, request: RequestContext): Promise<void> {
    const { flow, tenant, turn } = work;
    const options = await this.#emitOptionsOf(work, request);
    await this.#follow(
      work,
      flow.stream(this.#skills.payloadOf(request.userMessage, callerOf(request, tenant)) as never, {
        ...options,
        tenant,
        traceId: request.taskId,
        signal: turn.stop.signal,
      }),
      undefined,
    );
  }

  /** Returns how the trace of a task begins. */
  async #emitOptionsOf({ flow, tenant }: Work, request: RequestContext): Promise<EmitOptions<never>> {
    if (!this.#skills.hasSerialContexts) return emitOptionsOf(request);
    await requireNoneWaits(await this.#waitingTasks(request.contextId, request.context), flow, tenant);
    return { ...emitOptionsOf(request), exclusive: contextKey(callerOf(request, tenant)) };
  }

  /** Publishes the items of a trace, and its end. */
  async #follow(
    { flow, tenant, turn }: Work,
    items: TraceItems<StreamItem<unknown>>,
    bytesBefore: number | undefined,
    isTakenUp = false,
  ): Promise<void> {
    let result: { readonly value: unknown } | undefined;
    let isBegun = bytesBefore !== undefined;
    let bytes = bytesBefore ?? 0;
    let isFirst = isTakenUp;
    let isReplaced = false;
    const text = (part: Part, lastChunk: boolean): Promise<void> => {
      const append = isBegun && !isReplaced;
      isBegun = true;
      isReplaced = false;
      return turn.artifact({ artifact: artifact(TEXT_ARTIFACT, [part]), append, lastChunk });
    };
    try {
      for await (const item of items) {
        if (isFirst && item.type === "chunk") {
          // in-flight handlers run again after a recovery and may rewrite their text
          isReplaced = item.chunk.seq === 0;
          isFirst = false;
        }
        // the first result counts, as in `call`
        if (item.type === "result") result ??= { value: item.result };
        else if (item.type === "chunk") {
          const part = partOf(item.chunk);
          if (part !== undefined) {
            bytes = (isReplaced ? 0 : bytes) + bytesOf(part);
            this.#requireRoom(turn.taskId, bytes);
            await text(part, false);
          }
          // the next attempt rewrites its text
          else if (item.chunk.end === "retry") isReplaced = true;
        }
      }
    } catch (error) {
      const code = error instanceof FlowError ? error.code : undefined;
      const pauses = async () => await flow.pauses.list({ tenant, traceId: turn.taskId });
      if (code === FlowErrorCode.TRACE_PAUSED) await this.#ask(turn, await pauses());
      // an invalid answer leaves the question open
      else if (code === FlowErrorCode.RESUME_INVALID)
        await this.#ask(turn, await pauses(), errorPayload(error).message);
      else if (code === FlowErrorCode.PAYLOAD_TOO_LARGE || code === FlowErrorCode.NOT_SERIALISABLE) {
        // a followed trace has no caller whose failure would end it
        await flow.cancel(turn.taskId, { tenant, reason: error });
        await fail(turn, error, flow.name);
      }
      // the trace continues when the flow runs again, and so does its task
      else if (code !== FlowErrorCode.FLOW_STOPPED || !flow.isDurable) await fail(turn, error, flow.name);
      return;
    }
    if (isBegun) await text(textPart(""), true);
    await complete(turn, result?.value, spentOf(turn, items.spent));
  }

  #requireRoom(taskId: string, bytes: number): void {
    const { maxTextBytes } = this.#skills;
    if (bytes <= maxTextBytes) return;
    const problem = `its text is larger than ${maxTextBytes} bytes`;
    const message = `Cannot keep task "${taskId}": ${problem}; stream less, or raise the server's "textLimit"`;
    throw new FlowError({ code: FlowErrorCode.PAYLOAD_TOO_LARGE, message });
  }

  /** Answers with a message. A failure creates a task after all, because no message can express it. */
  async #reply(work: Work, request: RequestContext): Promise<void> {
    const { flow, tenant, turn } = work;
    const { taskId, contextId, userMessage } = request;
    const outcome = await flow.outcome(this.#skills.payloadOf(userMessage, callerOf(request, tenant)) as never, {
      ...(await this.#emitOptionsOf(work, request)),
      tenant,
      traceId: taskId,
      signal: turn.stop.signal,
    });
    if (outcome.status === "completed")
      return await turn.reply(said("", contextId, partsOf(outcome.result), spentOf(turn, outcome.spent)));
    if (outcome.status === "paused") await flow.cancel(taskId, { tenant });
    await turn.task(taskAtWork(request));
    await fail(turn, outcome.error, flow.name);
  }

  async #resume(work: Work, request: RequestContext): Promise<void> {
    const { userMessage, task } = request;
    const { flow, tenant, turn } = work;
    const { taskId } = turn;
    const pauses = await flow.pauses.list({ tenant, traceId: taskId });
    const { node } = factsIn(userMessage.metadata);
    const pause = node === undefined ? pauses[0] : pauses.find((candidate) => candidate.node === node);
    if (pause === undefined) {
      if (pauses.length > 0) return this.#ask(turn, pauses, `No node "${String(node)}" waits for an answer`);
      const message = `Cannot resume task "${taskId}": flow "${flow.name}" has no pause of it`;
      throw new FlowError({ code: FlowErrorCode.PAUSE_UNKNOWN, message });
    }
    const answer = this.#skills.payloadOf(userMessage, callerOf(request, tenant), pause);
    const items = flow.pauses.resumeStream(pause.token, answer, { tenant });
    await this.#follow(work, items, task === undefined ? undefined : textBytesOf(task));
  }

  async #ask(turn: Turn, pauses: readonly PauseTicket[], problem?: string): Promise<void> {
    const [first] = pauses;
    const question = [
      ...(problem === undefined ? [] : [textPart(`${problem}\n`)]),
      ...(first === undefined ? [textPart("The agent waits for an answer")] : [textPart(first.reason)]),
      ...partsOf(first?.payload),
    ];
    const asked = first === undefined ? undefined : { node: first.node, reason: first.reason, payload: first.payload };
    const isAuthorization = first !== undefined && this.#skills.waitsForAuthorization(first);
    const state = isAuthorization ? TaskState.TASK_STATE_AUTH_REQUIRED : TaskState.TASK_STATE_INPUT_REQUIRED;
    await tell(turn, state, question, asked);
  }
}

function callerOf({ context: { user }, contextId }: RequestContext, tenant: string): A2ACaller {
  const isKnown = user?.isAuthenticated === true && user.userName !== "";
  return { tenant, contextId, ...(isKnown && { user: user.userName }) };
}

/** Returns the names of a budget. */
function namesOf(budget: unknown): readonly string[] {
  return typeof budget === "object" && budget !== null ? Object.keys(budget) : [];
}

/** Returns what a task tells its caller of the amounts it has spent: those that the caller has a budget for. */
function spentOf(turn: Turn, spent: Budget): Pick<TaskFacts, "spent"> | undefined {
  const told = Object.entries(spent).filter(([name]) => turn.budgeted.includes(name));
  return told.length === 0 ? undefined : { spent: Object.fromEntries(told) };
}

/** Extracts the payload of a message. */
export function payloadOf({ parts, metadata }: Message): unknown {
  const value = valueOf(parts);
  const { budget } = factsIn(metadata);
  if (typeof budget !== "object" || budget === null || typeof value !== "object" || value === null) return value;
  const { hops, tokens } = budget as { readonly hops?: unknown; readonly tokens?: unknown };
  // only working memory has a budget, and the rest of the caller's budget is its limit
  return new WM({
    ...(value as { readonly query: string }),
    hops: 0,
    tokensUsed: 0,
    budgetHops: typeof hops === "number" ? hops : null,
    budgetTokens: typeof tokens === "number" ? tokens : null,
  });
}

function emitOptionsOf({ userMessage, context }: RequestContext): EmitOptions<never> {
  const { topic, priority, deadlineAt, traceBudget } = factsIn(userMessage.metadata);
  const traceparent = headerOf(context, "traceparent");
  const tracestate = headerOf(context, "tracestate");
  return {
    meta: {
      ...withoutFacts(userMessage.metadata),
      ...(traceparent === undefined ? {} : { traceparent }),
      ...(tracestate === undefined ? {} : { tracestate }),
    },
    ...(typeof topic === "string" ? { topic } : {}),
    ...(Number.isInteger(priority) ? { priority: priority as number } : {}),
    ...(typeof deadlineAt === "number" && Number.isFinite(deadlineAt) ? { deadlineAt } : {}),
    // the flow refuses one that is no budget: without it, it would spend more than its caller allows
    ...(traceBudget === undefined ? {} : { budget: traceBudget as Budget }),
  };
}

function factsOf(skill: unknown, callerTraceId: unknown): TaskFacts {
  return {
    ...(typeof skill === "string" ? { skill } : {}),
    ...(typeof callerTraceId === "string" ? { callerTraceId } : {}),
  };
}

/** Converts a chunk to a part; `undefined` if it has no content. */
function partOf(chunk: StreamChunk): Part | undefined {
  const { text, kind }: StreamChunkBase = chunk;
  if (kind !== undefined) return chunkPart(chunk);
  return text === "" ? undefined : textPart(text);
}

function bytesOf(part: Part): number {
  const { content } = part;
  if (content?.$case === "text" && part.metadata === undefined) return Buffer.byteLength(content.value);
  const [{ kind, data = null } = { kind: "" }] = chunksOf([part]);
  return Buffer.byteLength(kind) + Buffer.byteLength(JSON.stringify(data));
}

/** Measures the streamed text and data of a task; `undefined` when it has none. */
function textBytesOf({ artifacts }: Task): number | undefined {
  const artifact = artifacts.find(({ artifactId }) => artifactId === TEXT_ARTIFACT);
  return artifact?.parts.reduce((sum, part) => sum + bytesOf(part), 0);
}

const working = () => ({ state: TaskState.TASK_STATE_WORKING, message: undefined, timestamp: now() });

function taskAtWork({ taskId, contextId, task, userMessage }: RequestContext): Task {
  const status = working();
  if (task !== undefined) return { ...task, status };
  return { id: taskId, contextId, status, artifacts: [], history: [userMessage], metadata: undefined };
}

async function complete(turn: Turn, value: unknown, facts: TaskFacts = {}): Promise<void> {
  let parts: Part[];
  try {
    parts = partsOf(value);
  } catch (error) {
    return fail(
      turn,
      new FlowError({
        code: FlowErrorCode.NOT_SERIALISABLE,
        message: `Cannot send the result: ${errorPayload(error).message}`,
        cause: error,
      }),
      "",
    );
  }
  if (parts.length > 0)
    await turn.artifact({ artifact: artifact(RESULT_ARTIFACT, parts), append: false, lastChunk: true });
  turn.facts = { ...turn.facts, ...facts };
  await tell(turn, TaskState.TASK_STATE_COMPLETED, undefined);
}

const EXHAUSTED: Readonly<Record<string, string>> = {
  [FlowErrorCode.DEADLINE_EXCEEDED]: "Deadline exceeded",
  [FlowErrorCode.HOP_BUDGET_EXHAUSTED]: "Hop budget exhausted",
  [FlowErrorCode.TOKEN_BUDGET_EXHAUSTED]: "Token budget exhausted",
};

/** Ends a task whose trace did not complete, in the state its error implies. */
async function fail(turn: Turn, error: unknown, flow: string): Promise<void> {
  const isFlowError = error instanceof FlowError;
  const code = isFlowError ? error.code : FlowErrorCode.NODE_EXCEPTION;
  const text = error instanceof BudgetExhausted ? `Budget exhausted: ${error.budget}` : EXHAUSTED[code];
  if (text !== undefined) return complete(turn, new FinalAnswer({ text }), { code });
  turn.facts = { ...turn.facts, code, retryable: isFlowError && error.retryable };
  const state = code === FlowErrorCode.TRACE_CANCELLED ? TaskState.TASK_STATE_CANCELED : TaskState.TASK_STATE_FAILED;
  const message =
    code === FlowErrorCode.NO_RESULT
      ? `The flow "${flow}" has returned nothing: ${errorPayload(error).message}`
      : undefined;
  await tell(turn, state, [textPart(message ?? errorPayload(error).message)]);
}

async function tell(turn: Turn, state: TaskState, parts: Part[] | undefined, facts?: object): Promise<void> {
  const { taskId, contextId } = turn;
  const message = parts === undefined ? undefined : said(taskId, contextId, parts, facts);
  await turn.status({ status: { state, message, timestamp: now() } });
}

/** Builds a message of the agent. */
function said(taskId: string, contextId: string, parts: Part[], facts?: object): Message {
  return {
    messageId: crypto.randomUUID(),
    taskId,
    contextId,
    role: Role.ROLE_AGENT,
    parts,
    // serialised here, so that later changes to the object have no effect
    metadata: facts === undefined ? undefined : { [EXTENSION]: JSON.parse(JSON.stringify(facts)) as unknown },
    extensions: [],
    referenceTaskIds: [],
  };
}

const artifact = (artifactId: string, parts: Part[]) => ({
  artifactId,
  name: artifactId,
  description: "",
  parts,
  metadata: undefined,
  extensions: [],
});

const now = (): string => new Date().toISOString();
