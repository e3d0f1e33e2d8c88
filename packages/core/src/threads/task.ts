import { FlowError, FlowErrorCode } from "../foundation/flow-error.ts";
import type { Waiting, WaitingList } from "../queue/waiting-list.ts";
import type { Uncloneable } from "./find-uncloneable.ts";
import type { Thread } from "./thread.ts";
import type { TaskCall } from "./thread-messages.ts";

/** A call of a function in a thread. States: waiting → running → over; an aborted call may skip running. */
export class Task implements Waiting {
  readonly call: TaskCall;
  readonly signal: AbortSignal;
  /** Settles once no thread works on the task any more. */
  readonly promise: Promise<unknown>;
  /** The thread that runs the task; `undefined` before and after. */
  thread: Thread | undefined;
  nextWaiting: this | null = null;
  prevWaiting: this | null = null;
  list: WaitingList<this> | null = null;
  declare readonly resolve: (value: unknown) => void;
  declare readonly reject: (reason: unknown) => void;

  constructor(call: TaskCall, signal: AbortSignal) {
    this.call = call;
    this.signal = signal;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.promise = promise;
    this.resolve = resolve;
    this.reject = reject;
  }

  get tenant(): string {
    return this.call.facts.tenant;
  }

  /** Creates the error for a thread that ended before it answered. */
  crashed(exitCode: number, uncaught: unknown): FlowError {
    const why = uncaught instanceof Error ? `${uncaught.name}: ${uncaught.message}` : `exit code ${exitCode}`;
    return this.#error(FlowErrorCode.THREAD_CRASHED, `ended before it answered: ${why}`, {
      retryable: true,
      cause: uncaught,
      details: { exitCode },
    });
  }

  /** Creates the error for a function that cannot be called. */
  unavailable(problem: string, cause?: unknown): FlowError {
    return this.#error(FlowErrorCode.THREAD_UNAVAILABLE, `cannot run "${this.call.run}": ${problem}`, { cause });
  }

  /** Creates the error for a value that cannot be sent to or from the thread. */
  unsendable(direction: "take" | "send", { path, found }: Uncloneable): FlowError {
    return this.#error(
      FlowErrorCode.NOT_CLONEABLE,
      `cannot ${direction} a value that structured clone refuses: "${path}" is ${found}`,
      { details: { path } },
    );
  }

  #error(code: FlowErrorCode, what: string, more: Partial<ConstructorParameters<typeof FlowError>[0]>): FlowError {
    const { node, traceId, tenant, attempt } = this.call.facts;
    return new FlowError({
      code,
      message: `The thread of node "${node}" ${what}`,
      traceId,
      tenant,
      node,
      attempt,
      ...more,
    });
  }
}
