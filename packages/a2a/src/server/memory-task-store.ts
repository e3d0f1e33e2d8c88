import { type ListTasksRequest, type ListTasksResponse, Task } from "@a2a-js/sdk";
import { InMemoryTaskStore, type ServerCallContext, type TaskStore } from "@a2a-js/sdk/server";
import { scopeOf } from "./connection.ts";
import { isTerminal } from "./task-states.ts";

/**
 * Keeps tasks in this process: all unfinished ones, and the most recently finished. The SDK's store, which never
 * evicts, does the listing.
 */
export class MemoryTaskStore implements TaskStore {
  /** Tasks by scope and id; finished ones in the order of their end. */
  readonly #scopes = new Map<string, Map<string, Task>>();
  /** Finished tasks by id, the oldest first. */
  readonly #over = new Map<string, { readonly scope: string; readonly size: number }>();
  readonly #maxFinished: number;
  readonly #maxFinishedBytes: number;
  #finishedBytes = 0;

  /**
   * @param options - maximum number of finished tasks of all tenants together, 1000 by default, and of their bytes as
   * JSON, 64 MiB by default. The last one is kept at any size
   * @throws RangeError when one is not a whole number of 0 or more
   */
  constructor({
    maxFinished = 1000,
    maxFinishedBytes = 64 * 2 ** 20,
  }: { readonly maxFinished?: number; readonly maxFinishedBytes?: number } = {}) {
    for (const [name, value] of Object.entries({ maxFinished, maxFinishedBytes }))
      if (!Number.isInteger(value) || value < 0)
        throw new RangeError(`Option "${name}" must be a whole number of 0 or more: got ${String(value)}`);
    this.#maxFinished = maxFinished;
    this.#maxFinishedBytes = maxFinishedBytes;
  }

  /** Number of tasks kept. */
  get size(): number {
    let size = 0;
    for (const tasks of this.#scopes.values()) size += tasks.size;
    return size;
  }

  /** Stores a task in its current state. */
  async save(task: Task, context: ServerCallContext): Promise<void> {
    const scope = scopeOf(context);
    const tasks = this.#scopes.get(scope) ?? new Map<string, Task>();
    this.#scopes.set(scope, tasks);
    tasks.set(task.id, copyOf(task));
    if (!isTerminal(task)) return;
    this.#finishedBytes -= this.#over.get(task.id)?.size ?? 0;
    const size = Buffer.byteLength(JSON.stringify(Task.toJSON(task)));
    this.#finishedBytes += size;
    this.#over.set(task.id, { scope, size });
    for (const [id, { scope: home, size: freed }] of this.#over) {
      const isTooLarge = this.#finishedBytes > this.#maxFinishedBytes && this.#over.size > 1;
      if (this.#over.size <= this.#maxFinished && !isTooLarge) break;
      this.#over.delete(id);
      this.#finishedBytes -= freed;
      this.#scopes.get(home)?.delete(id);
      if (this.#scopes.get(home)?.size === 0) this.#scopes.delete(home);
    }
  }

  /** Loads a task of this tenant and user. */
  async load(taskId: string, context: ServerCallContext): Promise<Task | undefined> {
    const task = this.#scopes.get(scopeOf(context))?.get(taskId);
    return task === undefined ? undefined : copyOf(task);
  }

  /** Lists the tasks of this tenant and user. */
  async list(request: ListTasksRequest, context: ServerCallContext): Promise<ListTasksResponse> {
    const listed = new InMemoryTaskStore();
    for (const task of this.#scopes.get(scopeOf(context))?.values() ?? []) await listed.save(task, context);
    return await listed.list(request, context);
  }
}

/**
 * Copies the mutable parts of a task: its lists, not their elements. The text of a stream is not copied for every
 * piece.
 */
export function copyOf(task: Task): Task {
  return {
    ...task,
    artifacts: task.artifacts.map((artifact) => ({ ...artifact, parts: [...artifact.parts] })),
    history: [...task.history],
  };
}
