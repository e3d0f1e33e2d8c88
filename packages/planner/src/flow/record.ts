import { type Context, joinK, type Message, node, shape } from "penguiflow";
import type { Entry } from "../plan/entry.ts";
import type { Done, Ended, Recorded } from "../plan/loop-state.ts";
import { goOn, settle } from "./background.ts";
import { log, type LoopNode, NODES, type PlannerParts, whoOf } from "./parts.ts";

/**
 * Creates the node that writes results into the log, one after the other, and passes on that they are there: to the
 * model, if there is no other to wait for. An end comes here when there were calls in the background: it waits for them.
 */
export function recordNode(parts: PlannerParts): LoopNode {
  const handler = async (
    { payload }: Message<Done | Ended>,
    ctx: Context,
  ): Promise<Recorded | readonly [Recorded] | undefined> => {
    if ("end" in payload) return await settle(parts, payload, ctx);
    if (payload.background === "begun") {
      const { loop, callId, providerId, tool } = payload;
      await log(ctx, parts, loop.spent.steps, [{ type: "started", callId, providerId, tool }]);
      return passedOn(recordedOf(payload));
    }
    // results that are no errors have been shown to the policies where they came from
    const isError = payload.output.kind === "error";
    const screened = isError ? await parts.gate.finishError(whoOf(payload.loop, ctx), payload.output) : payload;
    const { output, stop = payload.stop } = screened;
    await recordResult(parts, ctx, { ...payload, output, ...(stop !== undefined && { stop }) });
    return payload.background === "over" ? await goOn(ctx) : passedOn(recordedOf({ ...payload, stop }));
  };
  return node(
    {
      name: NODES.record,
      policy: { maxRetries: 1, concurrency: Number.POSITIVE_INFINITY },
      route: (recorded: Recorded | readonly [Recorded]) => ("of" in recorded ? NODES.gather : NODES.model),
    },
    handler,
  ) as LoopNode;
}

/** Returns what the record of a result sends: to the model at once, if there is no other to wait for. */
function passedOn(recorded: Recorded): Recorded | readonly [Recorded] {
  return recorded.of === 1 ? [recorded] : recorded;
}

/** Writes the result of a call into the log of the run. */
export function recordResult({ clock }: PlannerParts, ctx: Context, done: Done): Promise<unknown> {
  const { callId, providerId, tool, output, ms, attempt, edited, background, stop, loop } = done;
  const at = clock.epochNow();
  const entry: Entry = { at, step: loop.spent.steps, type: "result", callId, providerId, tool, output, ms, attempt };
  const isLate = background === "over";
  if (edited === undefined && !isLate) return ctx.log.append([entry]);
  const late = isLate && { isLate, ...(stop !== undefined && { stop }) };
  return ctx.log.append([{ ...entry, ...(edited !== undefined && { edited }), ...late }]);
}

/** Returns what is passed on of a result that is in the log. */
export function recordedOf({ loop, of, stop }: Pick<Done, "loop" | "of" | "stop">): Recorded {
  return stop === undefined ? { loop, of } : { loop, of, stop };
}

/** Creates the node that waits for the results of all calls of a turn. */
export function gatherNode(): LoopNode {
  return joinK(NODES.gather, ({ payload }: Message<Recorded>) => payload.of, { input: shape<Recorded>() }) as LoopNode;
}
