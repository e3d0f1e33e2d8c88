import { FlowError, type FlowErrorCode } from "../../foundation/flow-error.ts";
import { requireInteger } from "../../foundation/options.ts";
import type { AnyNode } from "../../graph/edge-typing.ts";
import type { Context } from "../../graph/handler.ts";
import type { Message } from "../../message/message.ts";
import { faultPlan } from "./fault-plan.ts";

/** How the handler made by `simulateError` behaves. */
export interface SimulatedHandler<Result> {
  /** How many attempts fail before one succeeds. @defaultValue 1 */
  readonly failTimes?: number;
  /** What the successful attempts return. @defaultValue the message they are given */
  readonly result?: Result;
  /** Whether failures are counted for each trace apart. @defaultValue false: over all traces */
  readonly perTrace?: boolean;
}

/** When a node fails that `simulateError` was given. */
export interface SimulatedFault {
  /** What is thrown. */
  readonly error: unknown;
  /** Which attempt of a message fails: 1 for the first, or all of a list. @defaultValue 1 */
  readonly onAttempt?: number | readonly number[];
  /** Only for this trace. @defaultValue every trace */
  readonly traceId?: string;
}

/**
 * Models failures. Given a name and a code, makes a handler that fails at first and then succeeds.
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
 * @returns a function that ends that
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
