import { type Task, TaskState } from "@a2a-js/sdk";

const TERMINAL: ReadonlySet<TaskState | undefined> = new Set([
  TaskState.TASK_STATE_COMPLETED,
  TaskState.TASK_STATE_FAILED,
  TaskState.TASK_STATE_CANCELED,
  TaskState.TASK_STATE_REJECTED,
]);

/** Whether a task is in a terminal state. */
export function isTerminal({ status }: Task): boolean {
  return TERMINAL.has(status?.state);
}

/** Whether a task needs a process that works on it. */
export function isAtWork({ status }: Task): boolean {
  return status?.state === TaskState.TASK_STATE_WORKING || status?.state === TaskState.TASK_STATE_SUBMITTED;
}
