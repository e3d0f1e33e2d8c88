import { type Context, type FlowError, FlowErrorCode, type Message, node } from "penguiflow";
import { ModelError } from "../model/model-error.ts";
import type { ModelTurn } from "../model/model-turn.ts";
import type { Ending, Entry, EntryInit } from "../plan/entry.ts";
import type { Loop, Recorded, Turned } from "../plan/loop-state.ts";
import type { PromptPart } from "../plan/log-item.ts";
import { verdictOf } from "../plan/verdict.ts";
import { heardSince } from "./background.ts";
import { askModel, type AskedModel } from "./model-call.ts";
import { log, type LoopNode, modelPolicy, NODES, type PlannerParts, whoOf } from "./parts.ts";
import { partsOf, textOf } from "./begin.ts";
import { afterCall, spend, takeStep } from "./spend.ts";

/** Name of the signal that steers a run. */
export const STEER = "planner.steer";

/** A person's message to a running planner. */
export interface Steering {
  readonly parts: readonly PromptPart[];
  readonly by: string;
}

/** Message of the node: the loop at its begin or after a repair, or the results of a turn's calls. */
type Given = Loop | readonly Recorded[];

/** Creates the node that makes one model call, and writes its turn into the log. */
export function modelNode(parts: PlannerParts): LoopNode {
  const { clock, onExhausted } = parts;
  const handler = async ({ payload }: Message<Given>, ctx: Context): Promise<Turned> => {
    const loop = loopOf(payload);
    const steering = await steered(parts, loop, ctx);
    const late = await heardSince(loop, ctx);
    const stop = stopOf(payload) ?? steering.stop ?? late.stop;
    if (stop !== undefined) return { loop, end: { status: "failed", code: "POLICY_STOPPED", message: stop } };
    const step = loop.spent.steps + 1;
    const taken = takeStep(loop, ctx);
    const which = typeof taken === "string" ? taken : undefined;
    if (which !== undefined && onExhausted === "stop") return { loop, end: { status: "exhausted", which } };
    const told = [...late.told, ...steering.said].map((one): Entry => ({
      ...one,
      at: clock.epochNow(),
      step: step - 1,
    }));
    const entries = [...(await ctx.log.read<Entry>()), ...told];
    const startedAt = clock.now();
    const isLast = which !== undefined;
    const { turn, asked, compacted, screened } = await askModel({ parts, ctx, loop, entries, isLast });
    const { tokensIn, tokensOut, costUsd } = turn;
    const used = { tokens: tokensIn + tokensOut, costUsd };
    spend(() => (typeof taken === "string" ? ctx.budget.spend(used) : taken.settle(used)));
    await ctx.log.append(told);
    const ms = clock.now() - startedAt;
    const { text } = screened ?? turn;
    // the model sees its own words, in `parts`; steps and events have what the policies let pass
    const entry = turnEntry({ ...turn, text }, asked, ms, ctx.attempt);
    ctx.tell({ type: "app.planner.step", data: { step, ...asked, tokensIn, tokensOut, costUsd, ms } });
    const next = { ...afterCall(loop, turn), at: await log(ctx, parts, step, [...compacted, entry]) };
    if (which === undefined) return { loop: next, ...(screened !== undefined && { screened }) };
    return { loop: next, end: { status: "exhausted", which, ...(text !== "" && { text }) } };
  };
  return node(
    {
      name: NODES.model,
      boundsLoop: true,
      effects: "reads",
      policy: {
        ...modelPolicy(parts),
        onFailed: (error: FlowError, { payload }: Message<Given>): Turned => ({
          loop: loopOf(payload),
          end: failure(error),
        }),
      },
    },
    handler,
  ) as LoopNode;
}

/** Messages by which people steer the run, as the policies let them pass. */
interface Steered {
  readonly said: readonly Extract<EntryInit, { type: "said" }>[];
  /** Reason of a policy that refuses one of them. */
  readonly stop?: string | undefined;
}

/** Takes the messages by which people steer the run, and shows them to the policies like its first one. */
async function steered({ policies }: PlannerParts, loop: Loop, ctx: Context): Promise<Steered> {
  // signals are those of the whole run: a planner below would take what was said to the one above
  if (loop.path.length > 0) return { said: [] };
  const said: Extract<EntryInit, { type: "said" }>[] = [];
  for (const { parts, by } of ctx.signals<Steering>(STEER).take()) {
    const { caller } = whoOf(loop, ctx);
    const verdict = await verdictOf(policies, { at: "prompt", text: textOf(parts), caller });
    if (typeof verdict === "string") said.push({ type: "said", parts, by });
    else if ("replace" in verdict) said.push({ type: "said", parts: partsOf(verdict.replace), by });
    else return { said, stop: "deny" in verdict ? verdict.deny : verdict.stop };
  }
  return { said };
}

function turnEntry(turn: ModelTurn, asked: AskedModel, ms: number, attempt: number): EntryInit {
  const { parts, text, finish, problem, tokensIn, tokensOut, costUsd } = turn;
  const tokens = tokensIn + tokensOut;
  const spent = { tokens, tokensIn, tokensOut, costUsd, ms, attempt };
  const entry = { type: "turn" as const, parts, text, finish, ...asked, ...spent };
  return problem === undefined ? entry : { ...entry, problem };
}

function loopOf(payload: Given): Loop {
  return isGroup(payload) ? (payload[0] as Recorded).loop : payload;
}

function stopOf(payload: Given): string | undefined {
  return isGroup(payload) ? payload.find(({ stop }) => stop !== undefined)?.stop : undefined;
}

function isGroup(payload: Given): payload is readonly Recorded[] {
  return Array.isArray(payload);
}

/** Returns the end of a run whose model gives no turn. */
function failure(error: FlowError): Ending {
  if (error.code === FlowErrorCode.NODE_TIMEOUT)
    return { status: "failed", code: "MODEL_FAILED", message: `The model did not answer in time. ${error.message}` };
  const thrown = error.unwrap();
  if (!(thrown instanceof ModelError)) return { status: "failed", code: "RUN_FAILED", message: error.message };
  const { code, message, text } = thrown;
  return { status: "failed", code, message, ...(text !== undefined && { text }) };
}
