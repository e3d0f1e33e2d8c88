import { type Context, joinK, type Message, node, shape } from "penguiflow";
import type { Done, Ended, Recorded } from "../plan/loop-state.ts";
import { goOn, settle } from "./background.ts";
import { log, type LoopNode, NODES, type PlannerParts, whoOf } from "./parts.ts";

/**
 * Creates the node that writes results into the log, one after the other, and passes on that they are there: to the
 * model, if there is no other to wait for. Its message is held back until the result is in the log. An end comes here
 * when there were calls in the background: it waits for them.
 */
export function recordNode(parts: PlannerParts): LoopNode {
  const handler = async ({ payload }: Message<Done | Ended>, ctx: Context): Promise<void> => {
    if ("end" in payload) return await settle(parts, payload, ctx);
    const { loop, of, callId, providerId, tool, ms, attempt, edited, background } = payload;
    if (background === "begun") {
      await log(ctx, parts, loop.spent.steps, [{ type: "started", callId, providerId, tool }]);
      return passOn(ctx, of, { loop, of });
    }
    // results that are no errors have been shown to the policies where they came from
    const isError = payload.output.kind === "error";
    const screened = isError ? await parts.gate.finishError(whoOf(loop, ctx), payload.output) : payload;
    const { output, stop = payload.stop } = screened;
    const result = { type: "result" as const, callId, providerId, tool, output, ms, attempt };
    const entry = edited === undefined ? result : { ...result, edited };
    if (background === "over") {
      await log(ctx, parts, loop.spent.steps, [{ ...entry, isLate: true, ...(stop !== undefined && { stop }) }]);
      return await goOn(ctx);
    }
    await log(ctx, parts, loop.spent.steps, [entry]);
    passOn(ctx, of, stop === undefined ? { loop, of } : { loop, of, stop });
  };
  return node(
    { name: NODES.record, policy: { maxRetries: 1, concurrency: Number.POSITIVE_INFINITY } },
    handler,
  ) as LoopNode;
}

function passOn(ctx: Context, of: number, recorded: Recorded): void {
  if (of === 1) ctx.emitNowait([recorded], { to: NODES.model });
  else ctx.emitNowait(recorded, { to: NODES.gather });
}

/** Creates the node that waits for the results of all calls of a turn. */
export function gatherNode(): LoopNode {
  return joinK(NODES.gather, ({ payload }: Message<Recorded>) => payload.of, { input: shape<Recorded>() }) as LoopNode;
}
