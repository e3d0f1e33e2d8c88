import { type Message, type StreamResponse, type Task, TaskState } from "@a2a-js/sdk";
import { AgentEvent, type AgentExecutionEvent, type ExecutionEventBus } from "@a2a-js/sdk/server";
import { EXTENSION, factsIn, type TaskFacts } from "../wire.ts";
import { readableError } from "./background.ts";

/** How many events a reader may be behind before the flow waits. */
const WINDOW = 16;

type Update = Extract<AgentExecutionEvent, { readonly kind: "statusUpdate" | "artifactUpdate" }>;
type Without<Event> = Event extends { data: infer Data } ? Omit<Data, "taskId" | "contextId" | "metadata"> : never;

/**
 * The work on a task from a message to the state that ends or interrupts it, and those who read about it. Events are
 * told to readers when they are stored, so that what the store has and what comes next fit together; and the next one
 * is published when the last one was told, so that a slow reader slows the flow and nothing else.
 *
 * States: new → begun (its task is stored) → over, or failed before it began.
 */
export class Turn {
  taskId = "";
  contextId = "";
  /** The last one that was published. */
  state: TaskState = TaskState.TASK_STATE_UNSPECIFIED;
  /** The message that is the whole answer, without a task. */
  answer: Message | undefined;
  /** What is said with every event. */
  facts: TaskFacts = {};
  /** Aborted when the work is not wanted any more. */
  readonly stop = new AbortController();
  #bus: ExecutionEventBus | undefined;
  #seq = 0;
  #published = 0;
  #told = 0;
  #isOver = false;
  #error: Error | undefined;
  readonly #readers = new Set<StreamResponse[]>();
  readonly #waiting = new Set<() => void>();

  /** One that is over: what came of it is its task, or its answer. */
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

  /** Whether it could not be begun or told to its end. */
  get hasFailed(): boolean {
    return this.#error !== undefined;
  }

  /** @throws what was in the way of beginning the turn or of telling it to its end */
  requireSound(): void {
    if (this.#error !== undefined) throw this.#error;
  }

  /** Where events are published from now on, the first of them its task. */
  publishOn(bus: ExecutionEventBus, task: { readonly id: string; readonly contextId: string }, seq: number): void {
    this.#bus = bus;
    this.taskId = task.id;
    this.contextId = task.contextId;
    this.#seq = seq;
  }

  /** Metadata of the task's next event. */
  #metadata(): Record<string, unknown> {
    this.#seq += 1;
    return { [EXTENSION]: { ...this.facts, seq: this.#seq } };
  }

  /** Publishes a message as the whole answer, and resolves when its readers have it. */
  reply(message: Message): Promise<void> {
    this.answer = message;
    return this.#publish(AgentEvent.message(message));
  }

  /** Publishes the task, and resolves when it is stored and its readers have room for more. */
  task(task: Parameters<typeof AgentEvent.task>[0]): Promise<void> {
    return this.#publish(AgentEvent.task({ ...task, metadata: { ...task.metadata, ...this.#metadata() } }));
  }

  /** Publishes a new status, likewise. */
  status(status: Without<Extract<Update, { kind: "statusUpdate" }>>): Promise<void> {
    const { taskId, contextId } = this;
    this.state = status.status?.state ?? this.state;
    return this.#publish(AgentEvent.statusUpdate({ taskId, contextId, ...status, metadata: this.#metadata() }));
  }

  /** Publishes a piece of an artifact, likewise. Nothing, once the work is not wanted any more. */
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

  /** Takes the events, stored as they are, to the readers, until there are no more. */
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
      // what cannot be stored or told is not worth doing
      this.stop.abort(this.#error);
    } finally {
      this.#isOver = true;
      // it may be remembered for long
      this.#bus = undefined;
      this.#changed();
    }
  }

  /** Whether a reader is too far behind. Whoever does not want the work any more is not waited for. */
  #isAhead(): boolean {
    if (this.stop.signal.aborted) return false;
    for (const reader of this.#readers) if (reader.length >= WINDOW) return true;
    return false;
  }

  /** Yields the events from now on, from this call and not from the first step, until the end or until `signal` aborts. */
  read(signal: AbortSignal | undefined): AsyncGenerator<StreamResponse, void, undefined> {
    const events: StreamResponse[] = [];
    this.#readers.add(events);
    return this.#read(events, signal);
  }

  /** Yields the task as it is stored, then the events that are not in it yet, likewise. */
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

  /** Resolves when `isSo` holds, the turn is over or `signal` has aborted. */
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

/** The changes of a task that came after it was as it is here. */
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

/** How many events of its task there had been with this one. */
export function seqOf({ metadata }: { readonly metadata: { readonly [key: string]: unknown } | undefined }): number {
  const { seq } = factsIn(metadata);
  return typeof seq === "number" ? seq : 0;
}
