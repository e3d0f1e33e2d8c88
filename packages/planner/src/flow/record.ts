import { type Context, joinK, type Message, node, shape } from "penguiflow";
import type { Done, Recorded } from "../plan/loop-state.ts";
import { log, type LoopNode, NODES, type PlannerParts, whoOf } from "./parts.ts";

/**
 * Creates the node that writes results into the log, one after the other, and passes on that they are there: to the
 * model, if there is no other to wait for. Its message is held back until the result is in the log.
 */
export function recordNode(parts: PlannerParts): LoopNode {
  const handler = async ({ payload }: Message<Done>, ctx: Context): Promise<void> => {
    const { loop, of, callId, providerId, tool, ms, attempt, edited } = payload;
    // results that are no errors have been shown to the policies where they came from
    const isError = payload.output.kind === "error";
    const screened = isError ? await parts.gate.finishError(whoOf(loop, ctx), payload.output) : payload;
    const { output, stop = payload.stop } = screened;
    const entry = { type: "result" as const, callId, providerId, tool, output, ms, attempt };
    await log(ctx, parts, loop.spent.steps, [edited === undefined ? entry : { ...entry, edited }]);
    const recorded: Recorded = stop === undefined ? { loop, of } : { loop, of, stop };
    if (of === 1) ctx.emitNowait([recorded], { to: NODES.model });
    else ctx.emitNowait(recorded, { to: NODES.gather });
  };
  return node(
    { name: NODES.record, policy: { maxRetries: 1, concurrency: Number.POSITIVE_INFINITY } },
    handler,
  ) as LoopNode;
}

/** Creates the node that waits for the results of all calls of a turn. */
export function gatherNode(): LoopNode {
  return joinK(NODES.gather, ({ payload }: Message<Recorded>) => payload.of, { input: shape<Recorded>() }) as LoopNode;
}
