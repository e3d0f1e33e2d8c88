import {
  type Context,
  type FlowError,
  FlowErrorCode,
  type Message,
  node,
  type Reservation,
  transient,
} from "penguiflow";
import { ModelError } from "../model/model-error.ts";
import type { ModelTurn } from "../model/model-turn.ts";
import type { HideArguments } from "../model/watch-model.ts";
import type { PlanBudget } from "../plan/budget.ts";
import type { Ending, Entry, EntryInit } from "../plan/entry.ts";
import type { Call, Loop, Recorded, Turned } from "../plan/loop-state.ts";
import type { PromptPart, TurnPart } from "../plan/log-item.ts";
import { verdictOf } from "../plan/verdict.ts";
import { type Heard, heardSince } from "./background.ts";
import { partsOf, textOf } from "./begin.ts";
import { straightCall } from "./dispatch.ts";
import { askModel, type Said } from "./model-call.ts";
import { type LoopNode, modelPolicy, NODES, OWN_TOOLS, type PlannerParts, whoOf } from "./parts.ts";
import type { Screened } from "./screen.ts";
import { afterCall, spend, takeStep } from "./spend.ts";

/** Name of the signal that steers a run. */
export const STEER = "planner.steer";

/** A person's message to a running planner. */
export interface Steering {
  readonly parts: readonly PromptPart[];
  readonly by: string;
}

type TurnEntry = Extract<Entry, { type: "turn" }>;

/** Message of the node: the loop at its begin or after a repair, or the results of a turn's calls. */
type Given = Loop | readonly Recorded[];

/**
 * Creates the node that makes one model call, and writes its turn into the log. A call about which there is nothing to
 * decide goes straight to its tool.
 */
export function modelNode(parts: PlannerParts): LoopNode {
  const { clock, onExhausted } = parts;
  const handler = async ({ payload }: Message<Given>, ctx: Context): Promise<Turned | Call> => {
    const loop = loopOf(payload);
    const hearing = steered(parts, loop, ctx);
    const heard = hearing instanceof Promise ? await hearing : hearing;
    const late = loop.hasBackground === true ? await heardSince(ctx) : undefined;
    const stop = stopOf(payload) ?? heard.stop ?? late?.stop;
    if (stop !== undefined) return { loop, end: { status: "failed", code: "POLICY_STOPPED", message: stop } };
    const step = loop.spent.steps + 1;
    const taken = takeStep(loop, ctx);
    const which = typeof taken === "string" ? taken : undefined;
    if (which !== undefined && onExhausted === "stop") return { loop, end: { status: "exhausted", which } };
    const read = await ctx.log.read<Entry>();
    const told = toldOf(parts, late, heard, step - 1);
    const entries = told === undefined ? read : [...read, ...told];
    const startedAt = clock.now();
    const isLast = which !== undefined;
    const said = await askModel({ parts, ctx, loop, entries, isLast });
    spendTurn(ctx, said.turn, typeof taken === "string" ? undefined : taken);
    const at = await recordTurn(ctx, said, { at: clock.epochNow(), step, ms: clock.now() - startedAt }, told);
    return nextOf(parts, ctx, afterCall(loop, said.turn, at), said, which);
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
      route: (next: Turned | Call) => ("callId" in next ? OWN_TOOLS : NODES.dispatch),
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

const NOTHING_HEARD: Steered = { said: [] };

/** Takes the messages by which people steer the run; at once if there are none. */
function steered(parts: PlannerParts, loop: Loop, ctx: Context): Steered | Promise<Steered> {
  // signals are those of the whole run: a planner below would take what was said to the one above
  if (loop.path.length > 0) return NOTHING_HEARD;
  const messages = ctx.signals<Steering>(STEER).take();
  return messages.length === 0 ? NOTHING_HEARD : shown(parts, loop, ctx, messages);
}

/** Shows messages to the policies like the first one of the run. */
async function shown(
  { policies }: PlannerParts,
  loop: Loop,
  ctx: Context,
  messages: readonly Steering[],
): Promise<Steered> {
  const said: Extract<EntryInit, { type: "said" }>[] = [];
  for (const { parts, by } of messages) {
    const { caller } = whoOf(loop, ctx);
    const verdict = await verdictOf(policies, { at: "prompt", text: textOf(parts), caller });
    if (typeof verdict === "string") said.push({ type: "said", parts, by });
    else if ("replace" in verdict) said.push({ type: "said", parts: partsOf(verdict.replace), by });
    else return { said, stop: "deny" in verdict ? verdict.deny : verdict.stop };
  }
  return { said };
}

/** Returns the entries of what the model is told with its next call, if there is something. */
function toldOf(
  { clock }: PlannerParts,
  late: Heard | undefined,
  { said }: Steered,
  step: number,
): readonly Entry[] | undefined {
  if (late === undefined && said.length === 0) return undefined;
  const at = clock.epochNow();
  return [...(late?.told ?? []), ...said].map((one): Entry => ({ ...one, at, step }));
}

/** Spends what a turn has used. */
function spendTurn(ctx: Context, { tokensIn, tokensOut, costUsd }: ModelTurn, taken: Reservation | undefined): void {
  spend(ctx, { tokens: tokensIn + tokensOut, costUsd }, taken);
}

/** Decides where the run goes after a turn. */
function nextOf(
  parts: PlannerParts,
  ctx: Context,
  loop: Loop,
  said: Said,
  which: keyof PlanBudget | undefined,
): Turned | Call {
  const { turn, screened, hide } = said;
  if (which !== undefined) {
    const text = shownText(turn, screened);
    return { loop, end: { status: "exhausted", which, ...(text !== "" && { text }) } };
  }
  const straight = screened === undefined ? straightCall(parts, ctx, loop, said) : undefined;
  if (straight !== undefined) return straight;
  if (screened === undefined && hide === undefined) return { loop };
  const masked = hide === undefined ? {} : inputsOf(turn.parts, hide);
  return {
    loop,
    ...(screened !== undefined && { screened }),
    ...(Object.keys(masked).length > 0 && { unmasked: transient(masked) }),
  };
}

/** Returns the arguments that the log has masked, as the model wrote them, by call. */
function inputsOf(parts: readonly TurnPart[], hide: HideArguments): Record<string, string> {
  const inputs: Record<string, string> = {};
  for (const part of parts)
    if (part.type === "call" && hide(part.tool, part.input) !== part.input) inputs[part.callId] = part.input;
  return inputs;
}

/** Returns the text of a turn in steps and events: what the policies let pass. The model sees its own, in `parts`. */
function shownText(turn: ModelTurn, screened: Screened | undefined): string {
  return screened === undefined ? turn.text : screened.text;
}

/** Instant, number and duration of a model call. */
type Took = Pick<TurnEntry, "at" | "step" | "ms">;

/** Tells of a turn, and writes it into the log, behind what the model was told. Resolves with the length of the log. */
function recordTurn(ctx: Context, said: Said, took: Took, told: readonly Entry[] | undefined): Promise<number> {
  const { at, step, ms } = took;
  const { modelId: model, provider } = said.model;
  const { tokensIn, tokensOut, costUsd } = said.turn;
  ctx.tell({ type: "app.planner.step", data: { step, model, provider, tokensIn, tokensOut, costUsd, ms } });
  const entry = turnEntry(said, took, ctx.attempt);
  if (told === undefined && said.compacted.length === 0) return ctx.log.append([entry]);
  const compacted = said.compacted.map((each): Entry => ({ ...each, at, step }));
  return ctx.log.append([...(told ?? []), ...compacted, entry]);
}

function turnEntry(
  { turn, screened, hide, model: { modelId: model, provider } }: Said,
  { at, step, ms }: Took,
  attempt: number,
): Entry {
  const { finish, problem, tokensIn, tokensOut, costUsd } = turn;
  const parts = hide === undefined ? turn.parts : turn.parts.map((part) => maskedPart(part, hide));
  const text = shownText(turn, screened);
  const tokens = tokensIn + tokensOut;
  const entry: Entry = {
    at,
    step,
    type: "turn",
    parts,
    text,
    finish,
    model,
    provider,
    tokens,
    tokensIn,
    tokensOut,
    costUsd,
    ms,
    attempt,
  };
  return problem === undefined ? entry : { ...entry, problem };
}

function maskedPart(part: TurnPart, hide: HideArguments): TurnPart {
  return part.type === "call" ? { ...part, input: hide(part.tool, part.input) } : part;
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
