import {
  type Artifact,
  type ListTasksRequest,
  type ListTasksResponse,
  type Part,
  Role,
  type Task,
  TaskState,
} from "@a2a-js/sdk";
import type { ServerCallContext, TaskStore } from "@a2a-js/sdk/server";
import { factsIn, EXTENSION, textOf, textPart } from "../wire.ts";
import { readableError } from "./background.ts";
import { scopeOf } from "./connection.ts";
import { copyOf } from "./memory-task-store.ts";
import { isAtWork } from "./task-states.ts";

/** A task at work whose latest changes are not stored yet. */
interface Draft {
  newest?: Task;
  stored?: Task;
  writing?: Promise<void> | undefined;
  failure?: Error;
  /** Number of pieces since its texts were last merged. */
  loose: number;
}

/** Approximate memory, in bytes, that the engine uses for a concatenated but unflattened string piece. */
const PIECE_BYTES = 64;
const FEW_PIECES = 1_024;

/**
 * Recovers orphaned tasks. A task is orphaned when its store has it as being worked on and no process does: its work is
 * resumed, or the task is marked failed.
 *
 * A long stream stays cheap: pieces of a text are merged, and `save` does not wait for a piece. At most one write per
 * task is in flight; the next one writes the newest state. For every other change, `save` resolves once it and all
 * earlier changes are stored.
 */
export class TendedTaskStore implements TaskStore {
  readonly #store: TaskStore;
  readonly #isBeingWorkedOn: (taskId: string, context: ServerCallContext) => boolean;
  readonly #takeUp: (task: Task, context: ServerCallContext) => Promise<boolean>;
  readonly #isShared: boolean;
  /** Tasks at work in this process, by scope and task. */
  readonly #drafts = new Map<string, Draft>();

  /**
   * @param takeUp - resumes the work on a task; returns `false` when it never can be
   * @param isShared - whether other processes use the store, too: then tasks that are not at work here are left alone,
   * and each piece is stored before it is delivered
   */
  constructor(
    store: TaskStore,
    isBeingWorkedOn: (taskId: string, context: ServerCallContext) => boolean,
    takeUp: (task: Task, context: ServerCallContext) => Promise<boolean>,
    isShared: boolean,
  ) {
    this.#store = store;
    this.#isBeingWorkedOn = isBeingWorkedOn;
    this.#takeUp = takeUp;
    this.#isShared = isShared;
  }

  async save(task: Task, context: ServerCallContext): Promise<void> {
    const kept = { ...task, artifacts: task.artifacts.map(inFewPieces) };
    if (this.#isShared) return await this.#store.save(kept, context);
    const key = keyOf(task.id, context);
    const draft: Draft = this.#drafts.get(key) ?? { loose: 0 };
    const isPiece = draft.newest?.status?.state === kept.status?.state;
    draft.newest = kept;
    tighten(draft, kept);
    if (draft.failure === undefined) draft.writing ??= this.#write(draft, context);
    if (!isPiece) await draft.writing;
    const isGoingOn = isAtWork(kept) && this.#isBeingWorkedOn(task.id, context);
    if (isGoingOn && draft.failure === undefined) this.#drafts.set(key, draft);
    else this.#drafts.delete(key);
    if (draft.failure !== undefined) throw draft.failure;
  }

  async #write(draft: Draft, context: ServerCallContext): Promise<void> {
    try {
      for (let task = draft.newest; task !== undefined && task !== draft.stored; task = draft.newest) {
        await this.#store.save(task, context);
        draft.stored = task;
      }
    } catch (error) {
      draft.failure = readableError(error);
    } finally {
      draft.writing = undefined;
    }
  }

  async load(taskId: string, context: ServerCallContext): Promise<Task | undefined> {
    const newest = this.#drafts.get(keyOf(taskId, context))?.newest;
    if (newest !== undefined && this.#isBeingWorkedOn(taskId, context)) return copyOf(newest);
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
    if (this.#isShared || !isAtWork(task) || this.#isBeingWorkedOn(task.id, context)) return task;
    // it may have ended since it was read
    const latest = (await this.#store.load(task.id, context)) ?? task;
    if (!isAtWork(latest) || this.#isBeingWorkedOn(task.id, context)) return latest;
    if (await this.#takeUp(latest, context)) return latest;
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

/**
 * Merges texts whose pieces take more memory than their letters. Merging on every piece would cost the square of the
 * text's length.
 */
function tighten(draft: Draft, { artifacts }: Task): void {
  draft.loose += 1;
  if (draft.loose < FEW_PIECES) return;
  const texts = artifacts.flatMap(({ parts }) => parts.map((part) => textOf([part])));
  const length = texts.reduce((sum, text) => sum + text.length, 0);
  if (draft.loose * PIECE_BYTES < length) return;
  draft.loose = 0;
  // reading a character makes the engine flatten the string
  for (const text of texts) text.charCodeAt(0);
}

/** Merges the texts of an artifact that follow one another. */
function inFewPieces(artifact: Artifact): Artifact {
  const { parts } = artifact;
  if (!parts.some((part, index) => index > 0 && isText(part) && isText(parts[index - 1] as Part))) return artifact;
  const merged: Part[] = [];
  let texts: Part[] = [];
  const take = (): void => {
    if (texts.length > 0) merged.push(texts.length === 1 ? (texts[0] as Part) : textPart(textOf(texts)));
    texts = [];
  };
  for (const part of parts) {
    if (isText(part)) texts.push(part);
    else {
      take();
      merged.push(part);
    }
  }
  take();
  return { ...artifact, parts: merged };
}

/** Whether a part is a mere text. */
function isText({ content, metadata, filename }: Part): boolean {
  return content?.$case === "text" && metadata === undefined && filename === "";
}

const keyOf = (taskId: string, context: ServerCallContext): string => `${scopeOf(context)} ${taskId}`;
