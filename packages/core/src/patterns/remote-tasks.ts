import { onAbort } from "../foundation/abort.ts";
import { systemClock } from "../foundation/clock.ts";
import type { RemoteCallResult, RemoteTransport } from "../ports/remote-transport.ts";
import type { RemoteBinding, StateStore, TraceKey } from "../ports/state-store.ts";
import { MAX_RESUBSCRIBES, readAnswer } from "./remote-answer.ts";

/** Whose tasks {@link remoteTasks} finds. */
export interface RemoteTasksQuery extends TraceKey {
  readonly stateStore: Pick<StateStore, "findRemoteBindings">;
  /** Reaches the agents of all of them. */
  readonly transport: RemoteTransport;
}

/** A task that another agent has, or had, for a trace. */
export interface BoundTask {
  readonly binding: RemoteBinding;
  /**
   * Takes its answer up again and resolves when the task is complete or waits for its caller. `onText` is called with
   * its whole text from the beginning, in pieces, and reading waits for what it returns.
   *
   * @throws FlowError `REMOTE_FAILED`; `REMOTE_REFUSED` when the agent does not know the task; `REMOTE_CUT`; the
   * signal's reason
   */
  answer(options?: {
    readonly signal?: AbortSignal | undefined;
    readonly onText?: ((text: string) => unknown) | undefined;
  }): Promise<RemoteCallResult>;
  /** Tells the agent that the task is no longer wanted; one that is over is left alone. */
  cancel(options?: { readonly signal?: AbortSignal | undefined }): Promise<void>;
}

/**
 * The tasks of a trace at other agents, as the state store has them, in the order in which they were begun: to be
 * read to their end or cancelled by a process that did not begin them, as after a restart.
 */
export async function remoteTasks(query: RemoteTasksQuery): Promise<readonly BoundTask[]> {
  const { tenant, traceId, stateStore, transport } = query;
  const bindings = await stateStore.findRemoteBindings({ tenant, traceId });
  return bindings.map((binding) => ({
    binding,
    async answer({ signal = new AbortController().signal, onText } = {}) {
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
        });
      } catch (error) {
        signal.throwIfAborted();
        throw error;
      }
    },
    cancel: (options) => transport.cancel(binding, options),
  }));
}

/** Resolves after a while, or when a signal aborts. */
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
