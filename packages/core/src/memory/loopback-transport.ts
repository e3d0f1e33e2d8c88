import { FlowError } from "../foundation/flow-error.ts";
import { newId } from "../foundation/ids.ts";
import type {
  RemoteCallRequest,
  RemoteCallResult,
  RemoteStreamEvent,
  RemoteTransport,
} from "../ports/remote-transport.ts";
import type { EmitOptions } from "../runtime/flow.ts";
import type { StreamItem } from "../trace/stream-sink.ts";

/** The part of a flow that the transport calls: any running `Flow`. */
export interface LoopbackAgent {
  /** Runs the skill on a payload and yields chunks and results as they come, as `Flow.stream` does. */
  stream(input: never, options: EmitOptions<never>): AsyncIterable<StreamItem<unknown>>;
}

/**
 * A remote transport that stays in this process: skills are running flows. For tests, and for services
 * that are split up later.
 */
export class LoopbackTransport implements RemoteTransport {
  readonly #skills: Readonly<Record<string, LoopbackAgent>>;
  readonly #tasks = new Map<string, AbortController>();

  constructor(skills: Readonly<Record<string, LoopbackAgent>>) {
    this.#skills = skills;
  }

  /** How many tasks are under way. */
  get openTasks(): number {
    return this.#tasks.size;
  }

  /**
   * Calls a skill and resolves with its first result when its trace has ended.
   *
   * @throws TypeError when there is no such skill
   * @throws FlowError the reason when the skill's trace did not complete
   */
  async send(request: RemoteCallRequest): Promise<RemoteCallResult> {
    let last: RemoteStreamEvent | undefined;
    for await (const event of this.stream(request)) last = event;
    return { result: last?.result, taskId: last?.taskId, contextId: last?.contextId };
  }

  /**
   * Calls a skill and yields the ids of its task, the texts of its chunks, and last its first result.
   *
   * @throws TypeError when there is no such skill
   * @throws FlowError the reason when the skill's trace did not complete
   */
  async *stream(request: RemoteCallRequest): AsyncGenerator<RemoteStreamEvent, void, undefined> {
    const { message, skill, agentUrl, signal } = request;
    const agent = Object.hasOwn(this.#skills, skill) ? this.#skills[skill] : undefined;
    if (agent === undefined) {
      throw new TypeError(
        `Agent "${agentUrl}" has no skill "${skill}": it has ${
          Object.keys(this.#skills)
            .map((name) => `"${name}"`)
            .join(", ") || "none"
        }`,
      );
    }
    const taskId = newId();
    const ids = { taskId, contextId: message.traceId };
    const task = new AbortController();
    this.#tasks.set(taskId, task);
    try {
      yield { ...ids, done: false };
      let result: unknown;
      let hasResult = false;
      const items = agent.stream(message.payload as never, {
        ...message.headers,
        meta: message.meta,
        traceId: taskId,
        deadlineAt: message.deadlineAt,
        signal: AbortSignal.any([signal, task.signal]),
      });
      for await (const item of items) {
        if (item.type === "result") {
          // the first one counts
          if (!hasResult) result = item.result;
          hasResult = true;
        } else if (item.chunk.text !== "") {
          yield { ...ids, text: item.chunk.text, done: false };
        }
      }
      yield { ...ids, result, done: true };
    } finally {
      this.#tasks.delete(taskId);
    }
  }

  /** Cancels the trace that works for a task; a task that is over or unknown is left alone. */
  async cancel(task: { readonly agentUrl: string; readonly taskId: string }): Promise<void> {
    this.#tasks
      .get(task.taskId)
      ?.abort(new FlowError({ code: "TRACE_CANCELLED", message: `Task "${task.taskId}" was cancelled by its caller` }));
  }
}
