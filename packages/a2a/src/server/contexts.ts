import { type Task, TaskState } from "@a2a-js/sdk";
import type { ServerCallContext, TaskStore } from "@a2a-js/sdk/server";
import { FlowError, FlowErrorCode } from "penguiflow";
import type { ServedFlow } from "./served-flow.ts";
import type { A2ACaller } from "./server-options.ts";

/** Returns the key under which the tasks of a context follow one another: that of a planner's thread. */
export function contextKey({ user, contextId }: A2ACaller): string {
  return JSON.stringify([user ?? null, contextId]);
}

/** Returns the tasks of a context that wait for their caller, the latest of each kind. */
export async function waitingTasks(
  store: TaskStore,
  contextId: string,
  context: ServerCallContext,
): Promise<readonly Task[]> {
  const states = [TaskState.TASK_STATE_INPUT_REQUIRED, TaskState.TASK_STATE_AUTH_REQUIRED];
  const filter = { tenant: "", contextId, pageToken: "", historyLength: 0, statusTimestampAfter: undefined };
  const lists = await Promise.all(states.map((status) => store.list({ ...filter, status }, context)));
  return lists.flatMap(({ tasks }) => tasks);
}

/**
 * Throws when one of these tasks waits for its caller: behind it, a further one would wait as long.
 *
 * @throws FlowError `TRACE_PAUSED`
 */
export async function requireNoneWaits(
  tasks: readonly Task[],
  { pauses }: { readonly pauses: Pick<ServedFlow["pauses"], "list"> },
  tenant: string,
): Promise<void> {
  for (const { id } of tasks) {
    const [pause] = await pauses.list({ tenant, traceId: id });
    if (pause === undefined) continue;
    const message = `Cannot begin a task: task "${id}" of its context waits for its caller ("${pause.reason}"); answer that first`;
    throw new FlowError({ code: FlowErrorCode.TRACE_PAUSED, message });
  }
}
