import {
  requireInteger,
  requireKnownKeys,
  requireNumber,
  requireOneOf,
  requireText,
} from "../../foundation/options.ts";
import type { AnyNode } from "../../graph/edge-typing.ts";
import { wrapHandler } from "../../graph/node.ts";
import { type Fault, suffer } from "./fault.ts";

/** A fault, and the node and attempt at which it occurs. */
export type PlannedFault = Fault & {
  /** The node, or the name of every node that has it. */
  readonly node: AnyNode | string;
  /** Number of the failing attempt, from 1, or a list of numbers. @defaultValue 1 */
  readonly onAttempt?: number | readonly number[];
  /** Restricts the fault to this trace. @defaultValue every trace */
  readonly traceId?: string;
};

/** Faults that occur from now on. */
export interface FaultPlan extends Disposable {
  /** The faults that have not occurred yet: empty once the test has met them all. */
  readonly unmet: readonly PlannedFault[];
  /** Ends the plan immediately. */
  restore(): void;
}

const TYPES: readonly Fault["type"][] = ["throw", "throwAfter", "return", "slow", "hang", "late", "deaf"];

/**
 * Injects faults into attempts of nodes, in every flow that is run from now on. When several faults match an attempt,
 * the first occurs.
 *
 * @example
 * ```ts
 * using plan = faultPlan([
 *   { node: embed, type: "throw", error: new Error("busy") },
 *   { node: embed, type: "slow", byMs: 5_000, onAttempt: 2, traceId: "t-7" },
 * ]);
 * ```
 * @throws TypeError, RangeError when a fault has an unknown type, or one of its numbers is out of range
 */
export function faultPlan(faults: readonly PlannedFault[]): FaultPlan {
  const unmet = new Set(faults);
  const byNode = Map.groupBy(faults.map(checked), ({ node }) => node);
  const restores = [...byNode].map(([node, planned]) =>
    wrapHandler(node, (_input, ctx, call) => {
      const found = planned.find(
        ({ attempts, traceId }) => attempts.includes(ctx.attempt) && (traceId ?? ctx.traceId) === ctx.traceId,
      );
      if (found === undefined) return call();
      unmet.delete(found.fault);
      return suffer(found.fault, ctx, call);
    }),
  );
  const restore = (): void => {
    for (const end of restores) end();
  };
  return {
    get unmet() {
      return [...unmet];
    },
    restore,
    [Symbol.dispose]: restore,
  };
}

function checked(fault: PlannedFault) {
  const { node, onAttempt = 1, traceId } = fault;
  requireOneOf("type", fault.type, TYPES);
  if (typeof node === "string") requireText("node", node);
  const known = {
    throw: ["error"],
    throwAfter: ["error"],
    return: ["value"],
    slow: ["byMs"],
    hang: [],
    late: [],
    deaf: [],
  };
  requireKnownKeys(`a fault of type "${fault.type}"`, fault, [
    "node",
    "type",
    "onAttempt",
    "traceId",
    ...known[fault.type],
  ]);
  if (fault.type === "slow") requireNumber("byMs", fault.byMs, 0);
  const attempts = typeof onAttempt === "number" ? [onAttempt] : onAttempt;
  for (const attempt of attempts) requireInteger("onAttempt", attempt, 1);
  return { fault, node, attempts, traceId };
}
