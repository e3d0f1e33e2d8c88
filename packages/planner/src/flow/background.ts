import type { Context } from "penguiflow";
import { backgroundOf } from "../plan/background.ts";
import type { Entry, EntryInit } from "../plan/entry.ts";
import type { Ended } from "../plan/loop-state.ts";
import { log, NODES, type PlannerParts } from "./parts.ts";

// A call in the background has its place in the log twice: when it has begun, and with its result. The node that writes
// results handles one message of a run at a time, so it also decides what an end waits for.

/** Results that the model is told with its next call. */
export interface Heard {
  readonly told: readonly Extract<EntryInit, { type: "heard" }>[];
  /** Reason of a policy that stops the run for one of them. */
  readonly stop?: string | undefined;
}

const NOTHING: Heard = Object.freeze({ told: [] });

/** Returns the results that have come since the model was last called. */
export async function heardSince(ctx: Context): Promise<Heard> {
  const { unheard } = backgroundOf(await ctx.log.read<Entry>());
  if (unheard.length === 0) return NOTHING;
  const stop = unheard.find((result) => result.stop !== undefined)?.stop;
  return { told: [{ type: "heard", callIds: unheard.map(({ callId }) => callId) }], stop };
}

/** Sends an end on, unless a call in the background is open or the model has not heard of a result. */
export async function settle(parts: PlannerParts, { loop, end }: Ended, ctx: Context): Promise<undefined> {
  const { open, unheard } = backgroundOf(await ctx.log.read<Entry>());
  const isAnswer = end.status === "completed";
  if (isAnswer && unheard.length > 0) ctx.emitNowait(loop, { to: NODES.model });
  else if (open > 0) await log(ctx, parts, loop.spent.steps, [{ type: "waiting", loop, end }]);
  else ctx.emitNowait({ loop, end }, { to: isAnswer && parts.critic !== undefined ? NODES.critic : NODES.answer });
  return undefined;
}

/** Goes on with an end that waits: after the first result with the model, or without it after the last. */
export async function goOn(ctx: Context): Promise<undefined> {
  const { open, waiting } = backgroundOf(await ctx.log.read<Entry>());
  if (waiting === undefined) return undefined;
  const { loop, end } = waiting.entry;
  if (end.status === "completed") {
    if (waiting.results === 1) ctx.emitNowait(loop, { to: NODES.model });
  } else if (open === 0) ctx.emitNowait({ loop, end }, { to: NODES.answer });
  return undefined;
}
