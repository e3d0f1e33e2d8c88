import { type Message, type StreamResponse, type Task, TaskState } from "@a2a-js/sdk";
import { AgentEvent, type AgentExecutionEvent, type ExecutionEventBus } from "@a2a-js/sdk/server";
import { EXTENSION, factsIn, type TaskFacts } from "../wire.ts";
import { readableError } from "./background.ts";

/** Maximum number of events a reader may lag behind before the flow waits. */
const WINDOW = 16;

type Update = Extract<AgentExecutionEvent, { readonly kind: "statusUpdate" | "artifactUpdate" }>;
type Without<Event> = Event extends { data: infer Data } ? Omit<Data, "taskId" | "contextId" | "metadata"> : never;

/**
 * Work on a task, from a message to the state that ends or interrupts it, with its readers. Readers receive an event
 * once it is stored, so that the store and the events after it fit together. The next event is published once the last
 * one was delivered, so that a slow reader slows its flow only.
 *
 * States: new → begun (its task is stored) → over, or failed before it began.
 */
export class Turn {
  taskId = "";
  contextId = "";
  /** State that was published last. */
  state: TaskState = TaskState.TASK_STATE_UNSPECIFIED;
  /** Message that is the whole answer, without a task. */
  answer: Message | undefined;
  /** Facts attached to every event. */
  facts: TaskFacts = {};
  /** Names that the budget of the caller's trace has: the caller is told what the task spends of them. */
  budgeted: readonly string[] = [];
  /** Aborts when the work is no longer wanted. */
  readonly stop = new AbortController();
  #bus: ExecutionEventBus | undefined;
  #seq = 0;
  #published = 0;
  #told = 0;
  #isOver = false;
  #error: Error | undefined;
  readonly #readers = new Set<StreamResponse[]>();
  readonly #waiting = new Set<() => void>();

  /** Creates a finished turn from its task or its answer. */
  static over({ taskId, answer }: Pick<Turn, "taskId" | "answer">): Turn {
    const turn = new Turn();
    turn.taskId = taskId;
    turn.answer = answer;
    turn.#isOver = true;
    return turn;
  }

  get hasBegun(): boolean {
    return this.#told > 0;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Whether it failed to begin or to deliver all its events. */
  get hasFailed(): boolean {
    return this.#error !== undefined;
  }

  /** @throws the failure to begin the turn or to deliver its events */
  requireSound(): void {
    if (this.#error !== undefined) throw this.#error;
  }

  /** Sets the bus of all further events, the first of which is its task. */
  publishOn(bus: ExecutionEventBus, task: { readonly id: string; readonly contextId: string }, seq: number): void {
    this.#bus = bus;
    this.taskId = task.id;
    this.contextId = task.contextId;
    this.#seq = seq;
  }

  /** Builds the metadata of the task's next event. */
  #metadata(): Record<string, unknown> {
    this.#seq += 1;
    return { [EXTENSION]: { ...this.facts, seq: this.#seq } };
  }

  /** Publishes a message as the whole answer, and resolves when its readers have it. */
  reply(message: Message): Promise<void> {
    this.answer = message;
    return this.#publish(AgentEvent.message(message));
  }

  /** Publishes the task, and resolves when it is stored and its readers have capacity. */
  task(task: Parameters<typeof AgentEvent.task>[0]): Promise<void> {
    return this.#publish(AgentEvent.task({ ...task, metadata: { ...task.metadata, ...this.#metadata() } }));
  }

  /** Publishes a new status; resolves as `task` does. */
  status(status: Without<Extract<Update, { kind: "statusUpdate" }>>): Promise<void> {
    const { taskId, contextId } = this;
    this.state = status.status?.state ?? this.state;
    return this.#publish(AgentEvent.statusUpdate({ taskId, contextId, ...status, metadata: this.#metadata() }));
  }

  /** Publishes a piece of an artifact, unless the work is no longer wanted; resolves as `task` does. */
  async artifact(update: Without<Extract<Update, { kind: "artifactUpdate" }>>): Promise<void> {
    if (this.stop.signal.aborted) return;
    const { taskId, contextId } = this;
    await this.#publish(AgentEvent.artifactUpdate({ taskId, contextId, ...update, metadata: this.#metadata() }));
  }

  async #publish(event: AgentExecutionEvent): Promise<void> {
    this.#published += 1;
    const mine = this.#published;
    this.#bus?.publish(event);
    while (this.#told < mine && !this.#isOver) await this.#change();
  }

  /** Delivers the stored events to the readers until the stream ends. */
  async tell(events: AsyncIterable<StreamResponse>): Promise<void> {
    try {
      for await (const event of events) {
        for (const reader of this.#readers) reader.push(event);
        this.#changed();
        while (this.#isAhead()) await this.#change();
        this.#told += 1;
        this.#changed();
      }
    } catch (error) {
      this.#error = readableError(error);
      // work whose events cannot be stored or delivered is aborted
      this.stop.abort(this.#error);
    } finally {
      this.#isOver = true;
      // released, because a turn may be remembered for long
      this.#bus = undefined;
      this.#changed();
    }
  }

  /** Whether a reader lags too far behind. Once the work is no longer wanted, readers are not waited for. */
  #isAhead(): boolean {
    if (this.stop.signal.aborted) return false;
    for (const reader of this.#readers) if (reader.length >= WINDOW) return true;
    return false;
  }

  /** Yields the events from this call on, not from the first step, until the end or until `signal` aborts. */
  read(signal: AbortSignal | undefined): AsyncGenerator<StreamResponse, void, undefined> {
    const events: StreamResponse[] = [];
    this.#readers.add(events);
    return this.#read(events, signal);
  }

  /** Yields the stored task, then the events after it, until the end or until `signal` aborts. */
  async *follow(
    load: () => Promise<Task>,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<StreamResponse, void, undefined> {
    const events: StreamResponse[] = [];
    this.#readers.add(events);
    try {
      const task = await load();
      yield { payload: { $case: "task", value: task } };
      yield* later(this.#read(events, signal), task);
    } finally {
      this.#leave(events);
    }
  }

  async *#read(
    events: StreamResponse[],
    signal: AbortSignal | undefined,
  ): AsyncGenerator<StreamResponse, void, undefined> {
    try {
      for (;;) {
        await this.until(() => events.length > 0, signal);
        const event = signal?.aborted === true ? undefined : events.shift();
        if (event === undefined) {
          this.requireSound();
          return;
        }
        this.#changed();
        yield event;
      }
    } finally {
      this.#leave(events);
    }
  }

  #leave(events: StreamResponse[]): void {
    this.#readers.delete(events);
    this.#changed();
  }

  /** Resolves when `isSo` holds, the turn is over or `signal` aborts. */
  async until(isSo: () => boolean, signal: AbortSignal | undefined): Promise<void> {
    const wake = (): void => this.#changed();
    signal?.addEventListener("abort", wake);
    const isEnough = (): boolean => isSo() || this.#isOver || signal?.aborted === true;
    while (!isEnough()) await this.#change();
    signal?.removeEventListener("abort", wake);
  }

  #changed(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resume of waiting) resume();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => void this.#waiting.add(resolve));
  }
}

/** Yields the changes of a task after the given state. */
export async function* later(
  events: AsyncIterable<StreamResponse>,
  task: Task,
): AsyncGenerator<StreamResponse, void, undefined> {
  for await (const event of events) {
    const { payload } = event;
    if (payload === undefined || payload.$case === "task" || seqOf(payload.value) <= seqOf(task)) continue;
    yield event;
  }
}

/** Reads the sequence number of an event: the number of events of its task so far. */
export function seqOf({ metadata }: { readonly metadata: { readonly [key: string]: unknown } | undefined }): number {
  const { seq } = factsIn(metadata);
  return typeof seq === "number" ? seq : 0;
}
