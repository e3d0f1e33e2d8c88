import { type Artifact, type ListTasksRequest, type ListTasksResponse, Role, type Task, TaskState } from "@a2a-js/sdk";
import type { ServerCallContext, TaskStore } from "@a2a-js/sdk/server";
import { factsIn, EXTENSION, textOf, textPart } from "../wire.ts";
import { isAtWork } from "./task-states.ts";

/**
 * A task store whose tasks tell the truth. A task that its store has as being worked on, and on which nobody works, was
 * left by a process that ended: it is read as failed. The pieces of a text are kept as one, so that a long stream does
 * not make every change of its task dear.
 */
export class TendedTaskStore implements TaskStore {
  readonly #store: TaskStore;
  readonly #isAtWork: (taskId: string, context: ServerCallContext) => boolean;

  constructor(store: TaskStore, isBeingWorkedOn: (taskId: string, context: ServerCallContext) => boolean) {
    this.#store = store;
    this.#isAtWork = isBeingWorkedOn;
  }

  save(task: Task, context: ServerCallContext): Promise<void> {
    return this.#store.save({ ...task, artifacts: task.artifacts.map(inOnePiece) }, context);
  }

  async load(taskId: string, context: ServerCallContext): Promise<Task | undefined> {
    const task = await this.#store.load(taskId, context);
    return task === undefined ? undefined : await this.#tended(task, context);
  }

  async list(request: ListTasksRequest, context: ServerCallContext): Promise<ListTasksResponse> {
    const response = await this.#store.list(request, context);
    const tended = await Promise.all(response.tasks.map((task) => this.#tended(task, context)));
    const { status } = request;
    const tasks =
      status === TaskState.TASK_STATE_UNSPECIFIED || status === undefined
        ? tended
        : tended.filter((task) => task.status?.state === status);
    return { ...response, tasks };
  }

  async #tended(task: Task, context: ServerCallContext): Promise<Task> {
    if (!isAtWork(task) || this.#isAtWork(task.id, context)) return task;
    // it may have ended since it was read
    const latest = (await this.#store.load(task.id, context)) ?? task;
    if (!isAtWork(latest) || this.#isAtWork(task.id, context)) return latest;
    const failed: Task = {
      ...latest,
      status: {
        state: TaskState.TASK_STATE_FAILED,
        timestamp: new Date().toISOString(),
        message: {
          messageId: crypto.randomUUID(),
          taskId: task.id,
          contextId: task.contextId,
          role: Role.ROLE_AGENT,
          parts: [textPart("The process that worked on the task has ended")],
          metadata: undefined,
          extensions: [],
          referenceTaskIds: [],
        },
      },
      metadata: {
        ...latest.metadata,
        [EXTENSION]: { ...factsIn(latest.metadata), code: "FLOW_STOPPED", retryable: true },
      },
    };
    await this.#store.save(failed, context);
    return failed;
  }
}

/** An artifact that consists of texts alone, with one text. */
function inOnePiece(artifact: Artifact): Artifact {
  const { parts } = artifact;
  const isText = parts.every(({ content, metadata, filename }) => {
    return content?.$case === "text" && metadata === undefined && filename === "";
  });
  return isText && parts.length > 1 ? { ...artifact, parts: [textPart(textOf(parts))] } : artifact;
}
