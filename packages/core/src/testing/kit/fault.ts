import type { Context } from "../../graph/handler.ts";

/**
 * A fault in one attempt of a node.
 *
 * - `throw`: throws `error` instead of doing its work.
 * - `throwAfter`: does its work, then throws `error`: side effects remain.
 * - `return`: returns `value` instead of doing its work, such as one that its output schema refuses.
 * - `slow`: begins `byMs` milliseconds of the flow's clock later.
 * - `hang`: does nothing until it is aborted.
 * - `late`: does its work, and returns only once it has been aborted.
 * - `deaf`: never returns and ignores the abort.
 */
export type Fault =
  | { readonly type: "throw" | "throwAfter"; readonly error: unknown }
  | { readonly type: "return"; readonly value: unknown }
  | { readonly type: "slow"; readonly byMs: number }
  | { readonly type: "hang" | "late" | "deaf" };

/** Applies a fault to an attempt; `call` does the attempt's work. */
export function suffer(fault: Fault, ctx: Context, call: () => unknown): unknown {
  switch (fault.type) {
    case "throw":
      throw fault.error;
    case "throwAfter":
      return after(call(), () => {
        throw fault.error;
      });
    case "return":
      return fault.value;
    case "slow":
      return ctx.sleep(fault.byMs).then(call);
    case "hang":
      return toldToStop(ctx.signal).then(() => {
        throw ctx.signal.reason;
      });
    case "late":
      return after(call(), (value) => toldToStop(ctx.signal).then(() => value));
    case "deaf":
      return new Promise(() => {});
  }
}

async function after(work: unknown, then: (value: unknown) => unknown): Promise<unknown> {
  return then(await work);
}

function toldToStop(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
