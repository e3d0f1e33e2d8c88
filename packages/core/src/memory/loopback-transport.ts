import { onAbort } from "../foundation/abort.ts";
import { describeThrown, FlowError, FlowErrorCode } from "../foundation/flow-error.ts";
import { newId } from "../foundation/ids.ts";
import { WM } from "../message/controller.ts";
import type { Budget } from "../message/budget.ts";
import type { Outcome, PauseTicket } from "../message/outcome.ts";
import type {
  RemoteCallRequest,
  RemoteCallResult,
  RemoteChunk,
  RemoteStreamEvent,
  RemoteTask,
  RemoteTransport,
} from "../ports/remote-transport.ts";
import type { EmitOptions } from "../flow/call-options.ts";
import { shrinkBudget } from "../engine/policies/budget.ts";
import type { StreamChunkBase } from "../message/stream-chunk.ts";
import type { StreamItem } from "../engine/results/stream-sink.ts";

/** The part of a flow that the transport calls: any running `Flow`. */
export interface LoopbackAgent {
  /** Runs the skill on a payload and yields chunks and results as they arrive, like `Flow.stream`. */
  stream(
    input: never,
    options: EmitOptions<never>,
  ): AsyncIterable<StreamItem<unknown>> & { readonly spent?: Budget | undefined };
  /** Answers pauses of the skill, as `flow.pauses` does. @defaultValue tasks that wait cannot be resumed */
  readonly pauses?: {
    resume(token: string, value: unknown, options: { readonly tenant: string }): Promise<Outcome>;
  };
}

/** Maximum number of finished tasks that are kept, so that their answers can be resumed. */
const MOST_FINISHED = 100;
/** Maximum number of pieces a reader may lag behind before the skill is blocked. */
const WINDOW = 64;

/**
 * A remote transport within this process: skills are running flows. For tests, and for services that are split up
 * later. Nothing is encoded, so no bytes are counted.
 *
 * A task continues when its answer has no reader any more; the last 100 finished tasks are kept, so that they can be
 * read again. A skill that pauses asks for input: the caller receives `{ reason, payload }`, and the next message
 * answers the pause.
 */
export class LoopbackTransport implements RemoteTransport {
  readonly #skills: Readonly<Record<string, LoopbackAgent>>;
  /** Tasks by id; finished ones in order of their end. */
  readonly #tasks = new Map<string, LoopbackTask>();
  /** Tasks by the keys of the calls that they answer. */
  readonly #byKey = new Map<string, LoopbackTask>();
  #openTasks = 0;

  constructor(skills: Readonly<Record<string, LoopbackAgent>>) {
    this.#skills = skills;
  }

  /** Number of tasks in flight. */
  get openTasks(): number {
    return this.#openTasks;
  }

  /**
   * Calls a skill and resolves with its first result once its trace has ended.
   *
   * @throws FlowError `REMOTE_REFUSED` when there is no such skill, `REMOTE_FAILED` when its trace did not complete
   */
  async send(request: RemoteCallRequest): Promise<RemoteCallResult> {
    let last: RemoteStreamEvent | undefined;
    for await (const event of this.stream(request)) last = event;
    const { result, state, spent, taskId, contextId } = last ?? {};
    return { result, state, taskId, contextId, ...(spent === undefined ? {} : { spent }) };
  }

  /**
   * Calls a skill and yields the texts and data of its chunks, then its first result.
   *
   * @throws FlowError `REMOTE_REFUSED` when there is no such skill, `REMOTE_FAILED` when its trace did not complete
   */
  async *stream(request: RemoteCallRequest): AsyncGenerator<RemoteStreamEvent, void, undefined> {
    request.signal.throwIfAborted();
    const task = this.#taskFor(request);
    request.onTask?.({ taskId: task.taskId, contextId: task.contextId });
    yield* task.read(task.begunAt, request.signal);
  }

  /**
   * Yields the texts and chunks with data of a task from its beginning, then its first result.
   *
   * @throws FlowError `REMOTE_REFUSED` when there is no such task, `REMOTE_FAILED` when its trace did not complete
   */
  async *resubscribe(
    { tenant, agentUrl, taskId }: RemoteTask,
    { signal }: Pick<RemoteCallRequest, "signal">,
  ): AsyncGenerator<RemoteStreamEvent, void, undefined> {
    signal.throwIfAborted();
    const task = this.#tasks.get(taskId);
    if (task?.tenant !== tenant) throw refused(`Agent "${agentUrl}" has no task "${taskId}"`);
    yield* task.read(0, signal);
  }

  /** Cancels the trace that works for a task; does nothing when the task is over or unknown. */
  async cancel({ tenant, taskId }: RemoteTask): Promise<void> {
    const task = this.#tasks.get(taskId);
    if (task?.tenant !== tenant) return;
    const message = `Task "${taskId}" was cancelled by its caller`;
    task.stop.abort(new FlowError({ code: FlowErrorCode.TRACE_CANCELLED, message }));
  }

  /** Returns the task of a call: the existing one when the call is repeated, otherwise a new one. */
  #taskFor(request: RemoteCallRequest): LoopbackTask {
    const { message, skill, agentUrl, idempotencyKey, continues } = request;
    const { tenant } = message.headers;
    const agent = Object.hasOwn(this.#skills, skill) ? this.#skills[skill] : undefined;
    if (agent === undefined) {
      const skills = Object.keys(this.#skills).map((name) => `"${name}"`);
      throw refused(`Agent "${agentUrl}" has no skill "${skill}": it has ${skills.join(", ") || "none"}`);
    }
    const key = JSON.stringify([tenant, skill, idempotencyKey]);
    const known = this.#byKey.get(key);
    if (known?.hasFailed === false) return known;
    if (continues?.taskId !== undefined) {
      const task = this.#tasks.get(continues.taskId);
      if (task?.tenant !== tenant || !task.isWaiting || agent.pauses === undefined)
        throw refused(`Task "${continues.taskId}" of agent "${agentUrl}" does not wait for an answer`);
      this.#work(task, key, task.goOn(agent, request));
      return task;
    }
    const task = new LoopbackTask(request);
    this.#work(task, key, task.run(agent, request));
    return task;
  }

  /** Runs a task's work and marks the task as finished at its end. */
  #work(task: LoopbackTask, key: string, work: Promise<void>): void {
    task.keys.push(key);
    this.#byKey.set(key, task);
    this.#tasks.set(task.taskId, task);
    this.#openTasks += 1;
    void work.finally(() => {
      this.#openTasks -= 1;
      this.#tasks.delete(task.taskId);
      this.#tasks.set(task.taskId, task);
      if (this.#tasks.size - this.#openTasks > MOST_FINISHED) this.#forgetOldest();
    });
  }

  #forgetOldest(): void {
    for (const [taskId, task] of this.#tasks) {
      if (!task.isOver) continue;
      this.#tasks.delete(taskId);
      for (const key of task.keys) if (this.#byKey.get(key) === task) this.#byKey.delete(key);
      return;
    }
  }
}

/** One run of a skill and its output so far. */
class LoopbackTask {
  /** Keys of the calls that the task answers: the first, and those that continued it. */
  readonly keys: string[] = [];
  readonly tenant: string;
  readonly taskId = newId();
  readonly contextId: string;
  readonly stop = new AbortController();
  /** Texts and chunks with data, in order. */
  readonly pieces: (string | RemoteChunk)[] = [];
  /** Index of the piece that begins the answer to the latest message. */
  begunAt = 0;
  /** Whether the answer is finished: the task is complete, has failed, or waits for its caller. */
  isOver = false;
  #result: unknown;
  #spent: Budget | undefined;
  #error: FlowError | undefined;
  /** Pauses that wait for an answer. */
  #pauses: readonly PauseTicket[] = [];
  /** Positions of the readers. */
  readonly #readers = new Set<{ next: number }>();
  readonly #waiting = new Set<() => void>();

  constructor({ message, continues }: RemoteCallRequest) {
    this.tenant = message.headers.tenant;
    this.contextId = continues?.contextId ?? message.traceId;
  }

  get ids(): { readonly taskId: string; readonly contextId: string } {
    return { taskId: this.taskId, contextId: this.contextId };
  }

  get isWaiting(): boolean {
    return this.#pauses.length > 0 && !this.hasFailed;
  }

  /** Whether the task has failed, or will, because it was cancelled. */
  get hasFailed(): boolean {
    return this.#error !== undefined || this.stop.signal.aborted;
  }

  /** Runs the skill to its end. */
  async run(
    agent: LoopbackAgent,
    { message, skill, agentUrl, traceparent, tracestate, budget, traceBudget }: RemoteCallRequest,
  ) {
    const left = new WM({
      query: "",
      budgetHops: budget?.hops ?? null,
      budgetTokens: budget?.tokens ?? null,
    });
    try {
      const items = agent.stream(shrinkBudget(left, message.payload) as never, {
        ...message.headers,
        meta: {
          ...message.meta,
          ...(traceparent === undefined ? {} : { traceparent }),
          ...(tracestate === undefined ? {} : { tracestate }),
        },
        traceId: this.taskId,
        deadlineAt: message.deadlineAt,
        budget: traceBudget,
        signal: this.stop.signal,
      });
      let hasResult = false;
      for await (const item of items) {
        if (item.type === "result") {
          // only the first result counts
          if (!hasResult) this.#result = item.result;
          hasResult = true;
        } else if (item.type === "chunk") {
          const { text, kind, data }: StreamChunkBase = item.chunk;
          if (text === "" && kind === undefined) continue;
          this.pieces.push(kind === undefined ? text : { kind, data });
          this.#changed();
          while (this.#isAhead()) await this.#change();
        }
      }
      this.#spent = items.spent;
    } catch (error) {
      const isPaused = error instanceof FlowError && error.code === FlowErrorCode.TRACE_PAUSED;
      if (isPaused) this.#pauses = error.details?.["pauses"] as readonly PauseTicket[];
      else this.#fail(error, skill, agentUrl);
    }
    this.isOver = true;
    this.#changed();
  }

  /** Answers the task's first pause. An answer that fails the schema is requested again. */
  async goOn(agent: LoopbackAgent, { message, skill, agentUrl }: RemoteCallRequest): Promise<void> {
    const pauses = this.#pauses;
    this.begunAt = this.pieces.length;
    this.isOver = false;
    this.#pauses = [];
    try {
      const { tenant } = this;
      const outcome = await agent.pauses?.resume((pauses[0] as PauseTicket).token, message.payload, { tenant });
      if (outcome?.status === "completed") {
        this.#result = outcome.result;
        this.#spent = outcome.spent;
      } else if (outcome?.status === "paused") this.#pauses = outcome.pauses;
      else this.#fail(outcome?.error, skill, agentUrl);
    } catch (error) {
      const isUnfit = error instanceof FlowError && error.code === FlowErrorCode.RESUME_INVALID;
      if (isUnfit) this.#pauses = pauses;
      else this.#fail(error, skill, agentUrl);
    }
    this.isOver = true;
    this.#changed();
  }

  #fail(error: unknown, skill: string, agentUrl: string): void {
    this.#error = new FlowError({
      code: FlowErrorCode.REMOTE_FAILED,
      message: `Agent "${agentUrl}" failed at skill "${skill}": ${describeThrown(error)}`,
      cause: error,
      retryable: error instanceof FlowError && error.retryable,
    });
  }

  /** Yields the texts and chunks from piece number `from` on, then the result. */
  async *read(from: number, signal: AbortSignal): AsyncGenerator<RemoteStreamEvent, void, undefined> {
    const reader = { next: from };
    let at = 0;
    let chunkAt = 0;
    for (const piece of this.pieces.slice(0, from)) {
      if (typeof piece === "string") at += piece.length;
      else chunkAt += 1;
    }
    this.#readers.add(reader);
    try {
      for (;;) {
        signal.throwIfAborted();
        const piece = this.pieces[reader.next];
        if (piece !== undefined) {
          if (typeof piece === "string") {
            yield { ...this.ids, text: piece, at, done: false };
            at += piece.length;
          } else {
            yield { ...this.ids, chunk: piece, chunkAt, done: false };
            chunkAt += 1;
          }
          reader.next += 1;
          this.#changed();
        } else if (this.#error !== undefined) {
          throw this.#error;
        } else if (this.isOver) {
          const [pause] = this.#pauses;
          const spent =
            this.#spent === undefined || Object.keys(this.#spent).length === 0 ? {} : { spent: this.#spent };
          if (pause === undefined) yield { ...this.ids, result: this.#result, ...spent, done: true };
          else {
            const { reason, payload } = pause;
            yield { ...this.ids, result: { reason, payload }, state: "input-required", done: true };
          }
          return;
        } else {
          await this.#change(signal);
        }
      }
    } finally {
      this.#readers.delete(reader);
      this.#changed();
    }
  }

  /** Whether a reader lags too far behind. */
  #isAhead(): boolean {
    if (this.stop.signal.aborted) return false;
    for (const { next } of this.#readers) if (this.pieces.length - next > WINDOW) return true;
    return false;
  }

  #changed(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resume of waiting) resume();
  }

  /** Resolves on a change of the task, or when `signal` or the task's own signal aborts. */
  async #change(signal: AbortSignal = this.stop.signal): Promise<void> {
    let takeBack = (): void => {};
    await new Promise<void>((resolve) => {
      this.#waiting.add(resolve);
      takeBack = onAbort(signal, () => {
        this.#waiting.delete(resolve);
        resolve();
      });
    });
    takeBack();
  }
}

function refused(message: string): FlowError {
  return new FlowError({ code: FlowErrorCode.REMOTE_REFUSED, message });
}
