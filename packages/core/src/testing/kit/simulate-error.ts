import { FlowError, type FlowErrorCode } from "../../foundation/flow-error.ts";
import { requireInteger } from "../../foundation/options.ts";
import type { AnyNode } from "../../graph/edge-typing.ts";
import type { Context } from "../../graph/handler.ts";
import type { Message } from "../../message/message.ts";
import { faultPlan } from "./fault-plan.ts";

/** Options of the handler created by `simulateError`. */
export interface SimulatedHandler<Result> {
  /** Number of failing attempts before one succeeds. @defaultValue 1 */
  readonly failTimes?: number;
  /** Return value of the successful attempts. @defaultValue the message they receive */
  readonly result?: Result;
  /** Whether failures are counted per trace. @defaultValue false: over all traces */
  readonly perTrace?: boolean;
}

/** Attempts at which a node fails. */
export interface SimulatedFault {
  /** The error to throw. */
  readonly error: unknown;
  /** Number of the failing attempt, from 1, or a list of numbers. @defaultValue 1 */
  readonly onAttempt?: number | readonly number[];
  /** Restricts the fault to this trace. @defaultValue every trace */
  readonly traceId?: string;
}

/**
 * Simulates failures. Given a name and a code, creates a handler that fails at first and then succeeds.
 *
 * @example
 * ```ts
 * const flaky = node({ name: "flaky", policy: { maxRetries: 3 } }, simulateError("flaky", "NODE_EXCEPTION", { failTimes: 2, result: "ok" }));
 * ```
 */
export function simulateError<Result = Message>(
  name: string,
  code: FlowErrorCode,
  options?: SimulatedHandler<Result>,
): (message: Message, ctx: Context) => Promise<Result>;
/**
 * Makes a node fail at chosen attempts, in every flow that runs it from now on: {@link faultPlan} with one fault.
 *
 * @example
 * ```ts
 * const mend = simulateError(embed, { error: new Error("busy"), onAttempt: 1 });
 * ```
 * @returns a function that ends the fault
 * @throws TypeError, RangeError when an attempt is not a whole number of 1 or more
 */
export function simulateError(node: AnyNode, fault: SimulatedFault): () => void;
export function simulateError(
  target: string | AnyNode,
  second: FlowErrorCode | SimulatedFault,
  options: SimulatedHandler<unknown> = {},
): unknown {
  if (typeof target === "string") return failingHandler(target, second as FlowErrorCode, options);
  const plan = faultPlan([{ node: target, type: "throw", ...(second as SimulatedFault) }]);
  return () => plan.restore();
}

function failingHandler(name: string, code: FlowErrorCode, options: SimulatedHandler<unknown>) {
  const { failTimes = 1, perTrace = false } = options;
  requireInteger("failTimes", failTimes, 0);
  const failures = new Map<string, number>();
  return async (message: Message, ctx: Context): Promise<unknown> => {
    const key = perTrace ? `${ctx.tenant}\0${ctx.traceId}` : "";
    const failed = failures.get(key) ?? 0;
    if (failed < failTimes) {
      failures.set(key, failed + 1);
      throw new FlowError({
        code,
        message: `Simulated failure ${failed + 1} of ${failTimes} at "${name}"`,
        retryable: true,
      });
    }
    if (perTrace) failures.delete(key);
    return "result" in options ? options.result : message;
  };
}
