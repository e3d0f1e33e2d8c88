import {
  type AgentCard,
  type CancelTaskRequest,
  type SendMessageRequest,
  type StreamResponse,
  type SubscribeToTaskRequest,
  type Task,
  TaskState,
} from "@a2a-js/sdk";
import { TaskNotFoundError, UnsupportedOperationError } from "@a2a-js/sdk/errors";
import {
  DefaultExecutionEventBusManager,
  DefaultRequestHandler,
  type PushNotificationSender,
  type PushNotificationStore,
  resolveUserScope,
  type ServerCallContext,
  type TaskStore,
} from "@a2a-js/sdk/server";
import { factsIn } from "../wire.ts";
import { connectionOf } from "./connection.ts";
import { type Assignment, FlowExecutor, type Skills } from "./flow-executor.ts";
import { Turn } from "./turn.ts";

const FAILURES: ReadonlySet<TaskState> = new Set([TaskState.TASK_STATE_FAILED, TaskState.TASK_STATE_CANCELED]);

/** What {@link FlowRequestHandler} needs. */
export interface FlowRequestHandlerOptions {
  readonly card: AgentCard;
  readonly taskStore: TaskStore;
  readonly pushStore?: PushNotificationStore | undefined;
  readonly pushSender?: PushNotificationSender | undefined;
  readonly skills: Skills;
  readonly tenantOf: (context: ServerCallContext) => string;
  /** What becomes of a task when the client that began it leaves before its end. */
  readonly onClientGone: "cancel" | "detach";
}

/** How many messages are remembered, so that they begin no second task. */
const MOST_REMEMBERED = 10_000;

/**
 * The SDK's handler, with what it leaves open: work on a task goes on when its client has left, readers that come later
 * miss nothing and are told nothing twice, a message that comes twice begins one task, unless that came to nothing.
 */
export class FlowRequestHandler extends DefaultRequestHandler {
  readonly #options: FlowRequestHandlerOptions;
  readonly #executor: FlowExecutor;
  readonly #assignments: WeakMap<ServerCallContext, Assignment>;
  /** By scope and task: those at work. */
  readonly #turns = new Map<string, Turn>();
  readonly #telling = new Set<Promise<void>>();
  /** By scope and message, the oldest first. */
  readonly #known = new Map<string, Turn>();

  constructor(options: FlowRequestHandlerOptions) {
    const assignments = new WeakMap<ServerCallContext, Assignment>();
    const executor = new FlowExecutor(options.skills, (context, taskId) => {
      const assignment = assignments.get(context);
      if (assignment === undefined) throw new TypeError(`Task "${taskId}" was begun past the adapter`);
      this.#turns.set(keyOf(scopeOf(context), taskId), assignment.turn);
      return assignment;
    });
    super(
      options.card,
      options.taskStore,
      executor,
      new DefaultExecutionEventBusManager(),
      options.pushStore,
      options.pushSender,
      undefined,
      undefined,
      // a task that waits for its caller needs no bus: the next message makes one
      { keepBusAliveStates: [] },
    );
    this.#options = options;
    this.#executor = executor;
    this.#assignments = assignments;
  }

  /** Resolves when nobody works on a task any more. */
  async quiet(): Promise<void> {
    await Promise.all([...this.#telling]);
  }

  /** Whether somebody works on a task in this process. */
  isAtWork(taskId: string, context: ServerCallContext): boolean {
    return this.#turns.has(keyOf(scopeOf(context), taskId));
  }

  override async sendMessage(params: SendMessageRequest, context: ServerCallContext): Promise<Task> {
    const { turn } = this.#begin(params, context, () => {});
    const gone = connectionOf(context)?.gone;
    const isAnswered = (): boolean => params.configuration?.returnImmediately === true && turn.hasBegun;
    await turn.until(isAnswered, gone);
    turn.requireSound();
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
    const { turn, events } = this.#begin(params, context, (begun) => begun.read(gone));
    if (events !== undefined) return yield* paced(events, context);
    await turn.until(() => turn.hasBegun, gone);
    turn.requireSound();
    yield* paced(this.#follow(turn, context), context);
  }

  override async *resubscribe(
    params: SubscribeToTaskRequest,
    context: ServerCallContext,
  ): AsyncGenerator<StreamResponse, void, undefined> {
    const turn = this.#turns.get(keyOf(scopeOf(context), params.id));
    yield* turn === undefined ? super.resubscribe(params, context) : paced(this.#follow(turn, context), context);
  }

  override async cancelTask(params: CancelTaskRequest, context: ServerCallContext): Promise<Task> {
    const task = await super.cancelTask(params, context);
    const tenant = this.#options.tenantOf(context);
    // a trace that waited for an answer had nobody at work
    for (const flow of this.#options.skills.flows) if (flow.isRunning) await flow.cancel(task.id, { tenant });
    return task;
  }

  #follow(turn: Turn, context: ServerCallContext): AsyncGenerator<StreamResponse, void, undefined> {
    const load = async (): Promise<Task> => {
      const task = await this.#options.taskStore.load(turn.taskId, context);
      if (task === undefined) throw new TaskNotFoundError(`Task not found: ${turn.taskId}`);
      return task;
    };
    return turn.follow(load, connectionOf(context)?.gone);
  }

  /** The work that a message began when it came first; what `read` makes of it, if it came first now. */
  #begin<Events>(
    params: SendMessageRequest,
    context: ServerCallContext,
    read: (turn: Turn) => Events,
  ): { readonly turn: Turn; readonly events?: Events } {
    const scope = scopeOf(context);
    const { messageId = "", taskId = "", metadata } = params.message ?? {};
    const known = this.#known.get(keyOf(scope, messageId));
    if (known !== undefined) return { turn: known };
    const { skill } = factsIn(metadata);
    if (this.#options.skills.flowOf(skill) === undefined)
      throw new UnsupportedOperationError(`The agent has no skill "${String(skill)}"`);
    if (taskId !== "" && this.#turns.has(keyOf(scope, taskId)))
      throw new UnsupportedOperationError(`Task ${taskId} is being worked on and takes no message now`);

    const turn = new Turn();
    if (messageId !== "") this.#remember(keyOf(scope, messageId), turn);
    if (taskId !== "") this.#turns.set(keyOf(scope, taskId), turn);
    this.#assignments.set(context, { tenant: this.#options.tenantOf(context), turn });
    const events = read(turn);
    const telling = turn.tell(super.sendMessageStream(params, context)).finally(() => {
      this.#telling.delete(telling);
      for (const id of [taskId, turn.taskId]) this.#turns.delete(keyOf(scope, id));
      // a message that came to nothing may come again
      if (turn.hasFailed || FAILURES.has(turn.state)) this.#known.delete(keyOf(scope, messageId));
    });
    this.#telling.add(telling);
    if (this.#options.onClientGone === "cancel")
      connectionOf(context)?.gone.addEventListener("abort", () => {
        if (!turn.isOver) void this.#executor.cancelTask(turn.taskId);
      });
    return { turn, events };
  }

  #remember(key: string, turn: Turn): void {
    this.#known.set(key, turn);
    if (this.#known.size <= MOST_REMEMBERED) return;
    const [oldest] = this.#known.keys();
    this.#known.delete(oldest as string);
  }
}

/** Events, each when the client has taken the one before. */
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

/** Who may see a task: one user of one tenant. */
function scopeOf(context: ServerCallContext): string {
  return JSON.stringify([context.tenant ?? "", resolveUserScope(context)]);
}

const keyOf = (scope: string, id: string): string => `${scope} ${id}`;
