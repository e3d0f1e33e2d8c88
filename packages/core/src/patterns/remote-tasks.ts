import { onAbort } from "../foundation/abort.ts";
import { systemClock } from "../foundation/clock.ts";
import type { RemoteCallResult, RemoteChunk, RemoteTransport } from "../ports/remote-transport.ts";
import type { RemoteBinding, StateStore, TraceKey } from "../ports/state-store.ts";
import { MAX_RESUBSCRIBES, readAnswer } from "./remote-answer.ts";

/** The trace and transport for {@link remoteTasks}. */
export interface RemoteTasksQuery extends TraceKey {
  readonly stateStore: Pick<StateStore, "findRemoteBindings">;
  /** Transport that reaches the agents of all tasks. */
  readonly transport: RemoteTransport;
}

/** A task that another agent runs, or ran, for a trace. */
export interface BoundTask {
  readonly binding: RemoteBinding;
  /**
   * Resumes the task's answer and resolves when the task is complete or waits for its caller. `onText` receives the
   * whole text from the beginning, in pieces, and `onChunk` the chunks with data; reading waits for their results.
   *
   * @throws FlowError `REMOTE_FAILED`; `REMOTE_REFUSED` when the agent does not know the task; `REMOTE_CUT`; the
   *   signal's reason
   */
  answer(options?: {
    readonly signal?: AbortSignal | undefined;
    readonly onText?: ((text: string) => unknown) | undefined;
    readonly onChunk?: ((chunk: RemoteChunk) => unknown) | undefined;
  }): Promise<RemoteCallResult>;
  /** Cancels the task at the agent; does nothing when it is over. */
  cancel(options?: { readonly signal?: AbortSignal | undefined }): Promise<void>;
}

/**
 * Loads the tasks of a trace at other agents from the state store, in the order in which they were begun. A process
 * that did not begin them, as after a restart, can read them to their end or cancel them.
 */
export async function remoteTasks(query: RemoteTasksQuery): Promise<readonly BoundTask[]> {
  const { tenant, traceId, stateStore, transport } = query;
  const bindings = await stateStore.findRemoteBindings({ tenant, traceId });
  return bindings.map((binding) => ({
    binding,
    async answer({ signal = new AbortController().signal, onText, onChunk } = {}) {
      const open = () => transport.resubscribe(binding, { signal });
      try {
        return await readAnswer({
          agentUrl: binding.agentUrl,
          open,
          canReopen: () => !signal.aborted,
          reopen: open,
          maxResubscribes: MAX_RESUBSCRIBES,
          sleep: (delayMs) => sleep(delayMs, signal),
          onText,
          onChunk,
        });
      } catch (error) {
        signal.throwIfAborted();
        throw error;
      }
    },
    cancel: (options) => transport.cancel(binding, options),
  }));
}

/** Resolves after `delayMs` milliseconds, or when a signal aborts. */
async function sleep(delayMs: number, signal: AbortSignal): Promise<void> {
  const undo: (() => void)[] = [];
  await new Promise<void>((resolve) =>
    undo.push(
      systemClock.setTimer(resolve, delayMs),
      onAbort(signal, () => resolve()),
    ),
  );
  for (const step of undo) step();
}
