import {
  type Budget,
  type Clock,
  type Flow,
  FlowError,
  FlowErrorCode,
  flowNode,
  type FlowNode,
  DEFAULT_TENANT,
  type Meta,
  type RunOptions,
} from "penguiflow";
import type { LanguageModelV4 } from "@ai-sdk/provider";
import { partsOf as piecesOf } from "./flow/begin.ts";
import { planFlow } from "./flow/graph.ts";
import { STEER, type Steering } from "./flow/model.ts";
import type { PlannerParts } from "./flow/parts.ts";
import { type Answered, type Asked, askedBy, questionOf } from "./flow/people.ts";
import type { Memory } from "./memory/thread-memory.ts";
import type { Caller } from "./plan/caller.ts";
import { finite, lowest, type PlanBudget, requireBudget } from "./plan/budget.ts";
import type { Entry } from "./plan/entry.ts";
import type { Json } from "./plan/json.ts";
import type { Prompt } from "./plan/log-item.ts";
import type { PlanInput } from "./plan/loop-state.ts";
import type { BareEnd, PlanResult } from "./plan/plan-end.ts";
import type { PlanEvent } from "./plan/plan-event.ts";
import { Projection } from "./plan/projection.ts";
import type { Answerer, Decision, Question } from "./plan/question.ts";
import { flowOptionsOf, partsOf, type PlannerOptions } from "./planner-options.ts";
import { resultOf } from "./run/end-of.ts";
import { eventsOf } from "./run/event-stream.ts";
import type { Gate } from "./tools/gate.ts";
import type { SourceState } from "./tools/catalogue.ts";
import { replayedTool, type ToolResults } from "./tools/replayed-tool.ts";
import { editProblem } from "./tools/secret-arguments.ts";
import { plannerTool, type PlannerToolInit } from "./tools/planner-tool.ts";
import type { ToolSource } from "./tools/source.ts";
import type { Tool } from "./tools/tool.ts";

/** Options of a run. */
export interface PlanRunOptions {
  /** @defaultValue `"default"` */
  readonly tenant?: string | undefined;
  /** @defaultValue none */
  readonly user?: string | undefined;
  /** Conversation whose memory the run has. Runs of one thread follow one another. @defaultValue none */
  readonly thread?: string | undefined;
  /** @defaultValue a new unique id */
  readonly runId?: string | undefined;
  /** Limits besides those of the planner; the lower one counts. */
  readonly budget?: Partial<PlanBudget> | undefined;
  /** Milliseconds after which the run ends as `exhausted`. @defaultValue none */
  readonly timeoutMs?: number | undefined;
  /** Cancels the run when it aborts. */
  readonly signal?: AbortSignal | undefined;
  readonly meta?: Meta | undefined;
}

/** Options of a streamed run. */
export interface PlanStreamOptions extends PlanRunOptions {
  /** Fate of the run when its reader leaves early. @defaultValue `"cancel"` */
  readonly onLeave?: "cancel" | "detach" | undefined;
}

/** The questions to be listed. */
export interface QuestionFilter {
  readonly tenant: string;
  readonly user?: string | undefined;
  readonly runId?: string | undefined;
}

/** Names of tools; any text if a source lists some at run time. */
export type ToolNames<Tools extends readonly unknown[]> = Tools[number] extends infer One
  ? One extends Tool<infer Name>
    ? Name
    : One extends ToolSource
      ? string
      : never
  : never;

/** Arguments of `start`: resources are required when tools need any. */
export type StartArguments<Resources> = unknown extends Resources
  ? [options?: RunOptions<Resources>]
  : [options: RunOptions<Resources>];

/**
 * Creates a planner: a flow in which a language model chooses the tools.
 *
 * @throws TypeError, RangeError when an option is missing or out of range, and for two tools of one name
 */
export function createPlanner<
  const Tools extends readonly (Tool | ToolSource)[] = [],
  Output = string,
  Resources = unknown,
>(options: PlannerOptions<Tools, Output>): Planner<Output, ToolNames<Tools>, Resources> {
  const parts = partsOf(options);
  const withModel: WithModel<Output, ToolNames<Tools>, Resources> = (model, results) => {
    const { durability: _, ...flow } = options.flow ?? {};
    const tools = (options.tools ?? []).map((one) => replayedTool(one, results)) as unknown as Tools;
    return createPlanner<Tools, Output, Resources>({ ...options, model, flow, tools });
  };
  return new Planner(parts, planFlow<Output, Resources>(parts, flowOptionsOf(options)), withModel);
}

type WithModel<Output, Names extends string, Resources> = (
  model: LanguageModelV4,
  results: ToolResults,
) => Planner<Output, Names, Resources>;

/** The tools of a planner for one caller, under the names that the model uses. */
export interface ListedTools {
  readonly tools: readonly { readonly source: string; readonly tool: Tool }[];
  /** Names of the sources that could not be reached. */
  readonly unavailable: readonly string[];
  /** Sources that list their tools at run time. */
  readonly sources: readonly SourceState[];
}

/** A planner. It holds nothing of a run, a thread or a caller: that is in its flow's traces. */
export class Planner<Output = string, Names extends string = string, Resources = unknown> implements AsyncDisposable {
  readonly name: string;
  /** The flow it is. Its result lacks the steps, which are in the log of the trace. */
  readonly flow: Flow<PlanInput, BareEnd<Output>, Resources>;
  readonly #budget: PlanBudget;
  /** The limits of a run without any of its own. */
  readonly #limits: Budget;
  readonly #clock: Clock;

  /** Memory of threads, if it has one. */
  readonly memory: Memory | undefined;
  readonly #gate: Gate;
  readonly #withModel: WithModel<Output, Names, Resources>;

  /** Internal: call `createPlanner`. */
  constructor(
    parts: object,
    flow: Flow<PlanInput, BareEnd<Output>, Resources>,
    withModel: (model: LanguageModelV4, results: ToolResults) => Planner<Output, Names, Resources>,
  ) {
    const { name, budget, clock, memory, gate } = parts as PlannerParts;
    this.name = name;
    this.memory = memory;
    this.#gate = gate;
    this.#withModel = withModel;
    this.flow = flow;
    this.#budget = budget;
    this.#limits = finite(budget);
    this.#clock = clock;
  }

  /** Starts the planner. A durable one goes on with what an earlier process has left. */
  start(...options: StartArguments<Resources>): this {
    this.flow.run((options[0] ?? {}) as RunOptions<Resources>);
    return this;
  }

  /** Stops the planner without waiting for its runs; a durable one takes them up again when it starts. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.flow.stop();
  }

  /**
   * Runs a prompt, and resolves with how it ended, or with the questions it waits for.
   *
   * @throws FlowError when the planner cannot take it: `FLOW_NOT_RUNNING`; never for what a run ends with
   */
  async run(prompt: Prompt, options: PlanRunOptions = {}): Promise<PlanResult<Output>> {
    const waiting = options.thread === undefined ? undefined : await this.#waiting(options);
    if (waiting !== undefined) return waiting;
    return await resultOf(await this.flow.outcome(inputOf(prompt, options, false), this.#callOptions(options)));
  }

  /** Runs a prompt, and yields its events as they happen. The last one is `end` or `paused`. */
  stream(prompt: Prompt, options: PlanStreamOptions = {}): AsyncGenerator<PlanEvent<Output, Names>, void, undefined> {
    const { onLeave, tenant = DEFAULT_TENANT } = options;
    const runId = options.runId ?? newRunId();
    const open = async () => {
      const call = { ...this.#callOptions({ ...options, runId }), log: true as const, ...(onLeave && { onLeave }) };
      const waiting = options.thread === undefined ? undefined : await this.#waiting(options);
      return waiting ?? this.flow.stream(inputOf(prompt, options, true), call);
    };
    return eventsOf({
      runId,
      open,
      clock: this.#clock,
      projection: new Projection<Output, Names>(),
      questions: () => this.questions({ tenant, runId }),
    });
  }

  /**
   * Answers a question, and resolves with how the run goes on: with its end, or with what it waits for then. Works in
   * any process that runs the planner.
   *
   * @throws FlowError `PAUSE_UNKNOWN`, `PAUSE_USED`, `PAUSE_EXPIRED`, `PAUSE_FOREIGN`; `RESUME_INVALID` when the answer
   * does not fit or this person may not give it: the question stays open then
   */
  async resume(token: string, decision: Decision, who: Answerer): Promise<PlanResult<Output>> {
    const { tenant } = who;
    const answer = await this.#answer(token, decision, who);
    return await resultOf(await this.flow.pauses.resume(token, answer, { tenant }));
  }

  /**
   * Answers a question, and yields the events of the run from then on.
   *
   * @throws FlowError as `resume` does
   */
  async *resumeStream(
    token: string,
    decision: Decision,
    who: Answerer,
    options: Pick<PlanStreamOptions, "onLeave"> = {},
  ): AsyncGenerator<PlanEvent<Output, Names>, void, undefined> {
    const { tenant } = who;
    const tickets = await this.flow.pauses.list({ tenant });
    const runId = tickets.find((ticket) => ticket.token === token)?.traceId ?? "";
    const projection = new Projection<Output, Names>();
    if (runId !== "") projection.add(await this.#entries(runId, tenant), { runId, path: [] });
    const { onLeave } = options;
    const answer = await this.#answer(token, decision, who);
    yield* eventsOf({
      runId,
      open: async () =>
        this.flow.pauses.resumeStream(token, answer, { tenant, log: true, ...(onLeave && { onLeave }) }),
      clock: this.#clock,
      projection,
      questions: () => this.questions({ tenant, runId }),
    });
  }

  /**
   * Sends a message into a running plan. The model sees it once, with its next call.
   *
   * @throws FlowError `TRACE_UNKNOWN`, `TRACE_ENDED`
   */
  async steer(runId: string, message: Prompt, who: Answerer): Promise<void> {
    const steering: Steering = { parts: piecesOf(message), by: who.by };
    await this.flow.signal(runId, STEER, steering, { tenant: who.tenant });
  }

  /** The open questions of a tenant's runs: of all, of those for a user, or of one. */
  async questions({ tenant, user, runId }: QuestionFilter): Promise<Question[]> {
    const tickets = await this.flow.pauses.list({ tenant, ...(runId !== undefined && { traceId: runId }) });
    return tickets.filter((ticket) => user === undefined || askedBy(ticket)?.user === user).map(questionOf);
  }

  /**
   * Yields the stored events of a run so far, then its open questions: of one that runs, waits or has ended lately.
   *
   * @throws FlowError `TRACE_UNKNOWN`
   */
  async *trajectory(runId: string, tenant: string): AsyncGenerator<PlanEvent<Output, Names>, void, undefined> {
    const projection = new Projection<Output, Names>();
    yield* projection.add(await this.#entries(runId, tenant), { runId, path: [] });
    if (projection.end !== undefined) return;
    const questions = await this.questions({ tenant, runId });
    const { seq, step } = projection;
    if (questions.length > 0)
      yield { seq, at: this.#clock.epochNow(), runId, step, path: [], type: "paused", questions };
  }

  /** Lists the tools that a caller's runs have now. Asks the sources that list theirs at run time. */
  async tools(caller: Omit<Caller, "runId">, signal: AbortSignal): Promise<ListedTools> {
    const who = { caller: { ...caller, runId: "" }, path: [] };
    const { tools, unavailable, asked = [] } = await this.#gate.visible(who, [], { signal });
    const listed = [...tools.values()].map(({ tool, source }) => ({ tool, source: source.name }));
    return { tools: listed, unavailable, sources: asked };
  }

  /**
   * Calls `told` with the name of a source whose tools may be others than before: its server has said so, or its
   * connection has ended. A run in progress has them with its next model call.
   *
   * @returns a function that ends it
   */
  onToolsChange(told: (source: string) => void): () => void {
    return this.#gate.onToolsChange(told);
  }

  /**
   * Ends the connections of a source of tools: its next use opens others.
   *
   * @throws TypeError for a source that the planner does not have
   */
  async reconnect(source: string): Promise<void> {
    await this.#gate.reconnect(source);
  }

  /**
   * Makes a planner with another model and the same tools, policies and limits: to test it by a script, or to run it
   * again with what the model said. It is not durable.
   *
   * @param results - results of tools in the order of their calls, in place of what those would do
   */
  withModel(model: LanguageModelV4, results: ToolResults = {}): Planner<Output, Names, Resources> {
    return this.#withModel(model, results);
  }

  /** Makes a tool of the planner, for another one. */
  tool<const Name extends string>(init: PlannerToolInit<Name>): Tool<Name> {
    return plannerTool(this, init);
  }

  /** Makes a node of the planner, for another flow. */
  node<const Name extends string>(name: Name): FlowNode<Name, PlanInput, BareEnd<Output>> {
    return flowNode(name, this.flow);
  }

  #callOptions({ tenant, user, thread, runId, budget, timeoutMs, signal, meta }: PlanRunOptions) {
    if (budget !== undefined) requireBudget("budget", budget);
    return {
      tenant,
      traceId: runId,
      timeoutMs,
      signal,
      meta,
      budget: budget === undefined ? this.#limits : finite(lowest(this.#budget, budget)),
      exclusive: thread === undefined ? undefined : threadKey(user, thread),
    };
  }

  /** Returns the end of a run whose thread waits for an answer: behind it, the run would wait as long. */
  async #waiting({ tenant = DEFAULT_TENANT, user, thread, runId = newRunId() }: PlanRunOptions) {
    if (thread === undefined) return undefined;
    const key = threadKey(user, thread);
    const tickets = await this.flow.pauses.list({ tenant });
    const isOfThread = (asked: Asked | undefined): boolean =>
      asked?.thread !== undefined && threadKey(asked.user, asked.thread) === key;
    const questions = tickets.filter((ticket) => isOfThread(askedBy(ticket))).map(questionOf);
    if (questions.length === 0) return undefined;
    const message = `Cannot run in thread "${thread}": its run waits for ${questions.length} answers; give them first`;
    const error = { name: "PlanError", code: "THREAD_PAUSED", message, details: { questions } };
    const spent = { steps: 0, toolCalls: 0, tokens: 0, costUsd: 0 };
    return { runId, steps: [], spent, status: "failed" as const, code: "THREAD_PAUSED" as const, error };
  }

  /** Returns an answer as its pause takes it: that of another flow below a planner takes the value alone. */
  async #answer(token: string, decision: Decision, { tenant, by, user }: Answerer): Promise<unknown> {
    const hasValue = "value" in decision;
    if (hasValue || (decision.approved && decision.args !== undefined)) {
      const tickets = await this.flow.pauses.list({ tenant });
      const ticket = tickets.find((each) => each.token === token);
      const asked = ticket && askedBy(ticket);
      if (hasValue && ticket !== undefined && asked === undefined) return decision.value;
      if (!hasValue && asked !== undefined) requireNoSecrets(asked, decision.args);
    }
    const answered: Answered = { decision, by, ...(user !== undefined && { user }) };
    return answered;
  }

  async #entries(runId: string, tenant: string): Promise<readonly Entry[]> {
    return (await this.flow.log(runId, { tenant })) as readonly Entry[];
  }
}

/** Throws before a secret would be stored with the answer. @throws FlowError `RESUME_INVALID` */
function requireNoSecrets({ secrets, args }: Asked, edited: Json | undefined): void {
  const problem = edited === undefined ? undefined : editProblem(secrets, edited, args);
  if (problem === undefined) return;
  throw new FlowError({ code: FlowErrorCode.RESUME_INVALID, message: `The answer does not fit: ${problem}` });
}

function newRunId(): string {
  return crypto.randomUUID();
}

function inputOf(prompt: Prompt, { user, thread, budget }: PlanRunOptions, streams: boolean): PlanInput {
  return { prompt, user, thread, budget, streams };
}

/** Returns the key under which runs follow one another. A list as JSON: no name can pass for two. */
function threadKey(user: string | undefined, thread: string): string {
  return JSON.stringify([user ?? null, thread]);
}
