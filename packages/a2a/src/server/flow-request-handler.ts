import type {
  AgentCard,
  CancelTaskRequest,
  GetTaskRequest,
  ListTasksRequest,
  ListTasksResponse,
  Message,
  SendMessageRequest,
  StreamResponse,
  SubscribeToTaskRequest,
  Task,
  TaskPushNotificationConfig,
} from "@a2a-js/sdk";
import { RequestMalformedError, TaskNotFoundError, UnsupportedOperationError } from "@a2a-js/sdk/errors";
import {
  DefaultExecutionEventBusManager,
  DefaultRequestHandler,
  type ExecutionEventBus,
  type ExecutionEventBusManager,
  ExecutionEventQueue,
  type PushNotificationSender,
  type PushNotificationStore,
  ResultManager,
  type ServerCallContext,
  type TaskStore,
} from "@a2a-js/sdk/server";
import { FlowError, FlowErrorCode } from "penguiflow";
import { factsIn } from "../wire.ts";
import { inBackground } from "./background.ts";
import { connectionOf, scopeOf } from "./connection.ts";
import { waitingTasks } from "./contexts.ts";
import { type Assignment, FlowExecutor, type FoundTrace, type Skills } from "./flow-executor.ts";
import { KnownMessages, keyOfMessage } from "./known-messages.ts";
import { requireSendable } from "./push-sender.ts";
import { pushTarget } from "./push-target.ts";
import { requireHistoryLength, requireMessage } from "./request-checks.ts";
import { isTerminal } from "./task-states.ts";
import { later, Turn } from "./turn.ts";

/** Dependencies of {@link FlowRequestHandler}. */
export interface FlowRequestHandlerOptions {
  readonly card: AgentCard;
  readonly taskStore: TaskStore;
  readonly pushStore?: PushNotificationStore | undefined;
  readonly pushSender?: PushNotificationSender | undefined;
  readonly allowPrivateTargets?: boolean | undefined;
  readonly skills: Skills;
  readonly tenantOf: (context: ServerCallContext) => string;
  /** Fate of a task whose client disconnects before its end. */
  readonly onClientGone: "cancel" | "detach";
  readonly repeatedMessages: "join" | "begin";
}

/**
 * Extends the SDK's handler. Work on a task continues when its client disconnects. Late readers miss nothing and
 * receive nothing twice. A repeated message begins one task, unless that came to nothing.
 */
export class FlowRequestHandler extends DefaultRequestHandler {
  readonly #options: FlowRequestHandlerOptions;
  readonly #executor: FlowExecutor;
  readonly #buses: ExecutionEventBusManager;
  readonly #assignments: WeakMap<ServerCallContext, Assignment>;
  /** Work in progress, by scope and task. */
  readonly #turns = new Map<string, Turn>();
  readonly #telling = new Set<Promise<void>>();
  /** Readers of a task that waits for its caller, by scope and task. */
  readonly #waiting = new Map<string, Set<(turn: Turn | undefined) => void>>();
  readonly #known = new KnownMessages();

  constructor(options: FlowRequestHandlerOptions) {
    const assignments = new WeakMap<ServerCallContext, Assignment>();
    const assignmentOf = (context: ServerCallContext, taskId: string): Assignment => {
      const assignment = assignments.get(context);
      if (assignment === undefined)
        throw new TypeError(`Cannot execute task "${taskId}": it was not begun through the adapter`);
      const key = keyOf(scopeOf(context), taskId);
      this.#turns.set(key, assignment.turn);
      this.#answer(key, assignment.turn);
      return assignment;
    };
    const executor = new FlowExecutor(options.skills, assignmentOf, (contextId, context) =>
      waitingTasks(options.taskStore, contextId, context),
    );
    const buses = new DefaultExecutionEventBusManager();
    super(
      options.card,
      options.taskStore,
      executor,
      buses,
      options.pushStore,
      options.pushSender,
      undefined,
      undefined,
      // a task that waits for its caller needs no bus: the next message creates one
      { keepBusAliveStates: [], validateInputModes: true },
    );
    this.#options = options;
    this.#executor = executor;
    this.#buses = buses;
    this.#assignments = assignments;
  }

  /** Resolves when no task is at work any more. */
  async quiet(): Promise<void> {
    await Promise.all([...this.#telling]);
    for (const key of [...this.#waiting.keys()]) this.#answer(key, undefined);
  }

  /** Whether no task is at work and no reader is connected. */
  get isQuiet(): boolean {
    return this.#telling.size === 0 && this.#turns.size === 0 && this.#waiting.size === 0;
  }

  /** Whether this process works on a task. */
  isAtWork(taskId: string, context: ServerCallContext): boolean {
    return this.#turns.has(keyOf(scopeOf(context), taskId));
  }

  override async sendMessage(params: SendMessageRequest, context: ServerCallContext): Promise<Message | Task> {
    const { turn, mine = false } = this.#begin(params, context, () => true);
    const isAnswered = (): boolean => params.configuration?.returnImmediately === true && turn.hasBegun;
    await turn.until(isAnswered, connectionOf(context)?.gone);
    if (mine && !isAnswered()) this.#leave(turn, context);
    turn.requireSound();
    if (turn.answer !== undefined) return turn.answer;
    return await this.getTask(
      { tenant: params.tenant, id: turn.taskId, historyLength: params.configuration?.historyLength },
      context,
    );
  }

  override async *sendMessageStream(
    params: SendMessageRequest,
    context: ServerCallContext,
  ): AsyncGenerator<StreamResponse, void, undefined> {
    const gone = connectionOf(context)?.gone;
    const { turn, mine } = this.#begin(params, context, (begun) => begun.read(gone));
    if (mine !== undefined)
      try {
        return yield* paced(mine, context);
      } finally {
        this.#leave(turn, context);
      }
    await turn.until(() => turn.hasBegun, gone);
    turn.requireSound();
    if (turn.answer !== undefined) return yield { payload: { $case: "message", value: turn.answer } };
    yield* paced(this.#follow(turn, context), context);
  }

  override async *resubscribe(
    params: SubscribeToTaskRequest,
    context: ServerCallContext,
  ): AsyncGenerator<StreamResponse, void, undefined> {
    const key = keyOf(scopeOf(context), params.id);
    // takes up a task of an earlier process that no caller has asked for yet
    if (!this.#turns.has(key)) await this.#options.taskStore.load(params.id, context);
    const turn = this.#turns.get(key);
    if (turn !== undefined) return yield* paced(this.#follow(turn, context), context);
    for await (const event of super.resubscribe(params, context)) {
      yield event;
      // the task waits for its caller: this reader also gets the effects of the next message
      if (event.payload?.$case === "task" && !isTerminal(event.payload.value))
        yield* paced(this.#awaitAnswer(key, event.payload.value, context), context);
    }
  }

  /** Yields the events of a task that waits for its caller, beginning with the answer. */
  async *#awaitAnswer(
    key: string,
    task: Task,
    context: ServerCallContext,
  ): AsyncGenerator<StreamResponse, void, undefined> {
    const gone = connectionOf(context)?.gone;
    const answered = Promise.withResolvers<AsyncIterable<StreamResponse> | undefined>();
    const listener = (turn: Turn | undefined): void => answered.resolve(turn?.read(gone));
    const leave = (): void => answered.resolve(undefined);
    const listeners = this.#waiting.get(key) ?? new Set();
    this.#waiting.set(key, listeners.add(listener));
    gone?.addEventListener("abort", leave);
    const events = await answered.promise;
    gone?.removeEventListener("abort", leave);
    listeners.delete(listener);
    if (listeners.size === 0) this.#waiting.delete(key);
    if (events !== undefined) return yield* later(events, task);
    const { id, contextId, status, metadata } = (await this.#options.taskStore.load(task.id, context)) ?? task;
    if (status?.state !== task.status?.state)
      yield { payload: { $case: "statusUpdate", value: { taskId: id, contextId, status, metadata } } };
  }

  /** Notifies readers of a paused task that its answer is there, or will not come. */
  #answer(key: string, turn: Turn | undefined): void {
    for (const listener of this.#waiting.get(key) ?? []) listener(turn);
  }

  override async getTask(params: GetTaskRequest, context: ServerCallContext): Promise<Task> {
    requireHistoryLength(params.historyLength);
    return await super.getTask(params, context);
  }

  override async listTasks(params: ListTasksRequest, context: ServerCallContext): Promise<ListTasksResponse> {
    requireHistoryLength(params.historyLength);
    return await super.listTasks(params, context);
  }

  override async cancelTask(params: CancelTaskRequest, context: ServerCallContext): Promise<Task> {
    const task = await super.cancelTask(params, context);
    const tenant = this.#options.tenantOf(context);
    // a trace that waited for an answer has no work that could be cancelled
    const flow = this.#options.skills.flowOf(factsIn(task.metadata)["skill"]);
    if (flow?.isRunning === true) await flow.cancel(task.id, { tenant });
    this.#answer(keyOf(scopeOf(context), task.id), undefined);
    this.#known.forget(task.id);
    return task;
  }

  override async createTaskPushNotificationConfig(
    params: TaskPushNotificationConfig,
    context: ServerCallContext,
  ): Promise<TaskPushNotificationConfig> {
    this.#requirePushTarget(params);
    return await super.createTaskPushNotificationConfig(params, context);
  }

  #requirePushTarget(config: TaskPushNotificationConfig | undefined): void {
    if (config === undefined || this.#options.card.capabilities?.pushNotifications !== true) return;
    try {
      pushTarget(config.url, this.#options.allowPrivateTargets === true);
      requireSendable(config);
    } catch (error) {
      throw new RequestMalformedError((error as Error).message);
    }
  }

  #follow(turn: Turn, context: ServerCallContext): AsyncGenerator<StreamResponse, void, undefined> {
    const load = async (): Promise<Task> => {
      const task = await this.#options.taskStore.load(turn.taskId, context);
      if (task === undefined) throw new TaskNotFoundError(`Task not found: ${turn.taskId}`);
      return task;
    };
    return turn.follow(load, connectionOf(context)?.gone);
  }

  /** Finds the work of a repeated message, or begins work; returns the result of `read` when it began. */
  #begin<Mine>(
    params: SendMessageRequest,
    context: ServerCallContext,
    read: (turn: Turn) => Mine,
  ): { readonly turn: Turn; readonly mine?: Mine } {
    requireMessage(params.message);
    requireHistoryLength(params.configuration?.historyLength);
    const scope = scopeOf(context);
    const { taskId, metadata } = params.message;
    const isRemembered = this.#options.repeatedMessages === "join";
    const key = keyOfMessage(scope, params.message);
    const known = isRemembered ? this.#known.find(key) : undefined;
    if (known !== undefined) return { turn: known };
    this.#requirePushTarget(params.configuration?.taskPushNotificationConfig);
    const { skill } = factsIn(metadata);
    if (this.#options.skills.flowOf(skill) === undefined)
      throw new UnsupportedOperationError(`Cannot call skill "${String(skill)}": the agent has no such skill`);
    if (taskId !== "" && this.#turns.has(keyOf(scope, taskId)))
      throw new UnsupportedOperationError(
        `Cannot send a message to task ${taskId}: it is being worked on; wait until it asks for input`,
      );

    const turn = new Turn();
    if (isRemembered) this.#known.begin(key, turn);
    if (taskId !== "") this.#turns.set(keyOf(scope, taskId), turn);
    this.#assignments.set(context, { tenant: this.#options.tenantOf(context), turn });
    const mine = read(turn);
    this.#tell(turn, super.sendMessageStream(params, context), () => {
      for (const id of [taskId, turn.taskId]) this.#leaveTurn(keyOf(scope, id), turn);
      this.#known.end(key, turn);
    });
    return { turn, mine };
  }

  /**
   * Resumes a task of an earlier process when a flow still has its trace. Returns `false` when the trace is gone, so
   * the work can never continue.
   */
  async takeUp(task: Task, context: ServerCallContext): Promise<boolean> {
    const tenant = this.#options.tenantOf(context);
    let found: FoundTrace;
    try {
      found = await this.#executor.find(task, tenant);
    } catch (error) {
      return !(error instanceof FlowError && error.code === FlowErrorCode.TRACE_UNKNOWN);
    }
    const key = keyOf(scopeOf(context), task.id);
    // a concurrent reader may have resumed it first
    if (this.#turns.has(key)) return true;
    const turn = new Turn();
    this.#turns.set(key, turn);
    const bus = this.#buses.createOrGetByTaskId(task.id, context);
    this.#tell(turn, this.#stored(bus, context), () => this.#leaveTurn(key, turn));
    const work = this.#executor.takeUp(task, found, { tenant, turn }, bus).finally(() => {
      bus.finished();
      this.#buses.cleanupByTaskId(task.id, context);
    });
    void inBackground("going on with a task of an earlier process", () => work);
    return true;
  }

  /**
   * Writes events to the store and the push targets, and yields each once it is stored, as the SDK does for a message.
   */
  async *#stored(bus: ExecutionEventBus, context: ServerCallContext): AsyncGenerator<StreamResponse, void, undefined> {
    const { taskStore, pushSender } = this.#options;
    const results = new ResultManager(taskStore, context);
    for await (const event of new ExecutionEventQueue(bus).events()) {
      await results.processEvent(event);
      const response = { payload: { $case: event.kind, value: event.data } } as StreamResponse;
      void pushSender?.send(response, context, results.getCurrentTask());
      yield response;
    }
  }

  #tell(turn: Turn, events: AsyncIterable<StreamResponse>, whenOver: () => void): void {
    const telling = turn.tell(events).finally(() => {
      this.#telling.delete(telling);
      whenOver();
    });
    this.#telling.add(telling);
  }

  #leaveTurn(key: string, turn: Turn): void {
    if (this.#turns.get(key) === turn) this.#turns.delete(key);
  }

  /** Cancels the work of a client that has disconnected, where that is its configured fate. */
  #leave(turn: Turn, context: ServerCallContext): void {
    if (this.#options.onClientGone === "detach" || turn.isOver) return;
    if (connectionOf(context)?.gone.aborted !== true) return;
    // its task may not have begun yet
    turn.stop.abort(new FlowError({ code: FlowErrorCode.TRACE_CANCELLED, message: "The client disconnected" }));
    void inBackground("cancelling a task whose client disconnected", () => this.#executor.cancelTask(turn.taskId));
  }
}

/** Yields each event once the client has consumed the one before. */
async function* paced(
  events: AsyncIterable<StreamResponse>,
  context: ServerCallContext,
): AsyncGenerator<StreamResponse, void, undefined> {
  const connection = connectionOf(context);
  for await (const event of events) {
    yield event;
    await connection?.ready();
  }
}

const keyOf = (scope: string, id: string): string => `${scope} ${id}`;
