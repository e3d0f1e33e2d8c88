import { BudgetExhausted, type Context, type Message, node, transient } from "penguiflow";
import { outputNote, readOutput } from "../model/output.ts";
import { startedOutput } from "../plan/background.ts";
import type { Ending, Entry } from "../plan/entry.ts";
import type { TurnPart } from "../plan/log-item.ts";
import type { Call, Done, Loop, Turned } from "../plan/loop-state.ts";
import { argsOf } from "../plan/projection.ts";
import { type Admitted, errorOutput, type Refused } from "../tools/gate.ts";
import { checkAgainst } from "../tools/json-schema.ts";
import { lostArguments, maskedArgs, textsOfArgs } from "../tools/secret-arguments.ts";
import { withoutSecrets } from "../tools/secrets.ts";
import type { Said } from "./model-call.ts";
import { log, type LoopNode, NODES, type PlannerParts, toolsNode, whoOf } from "./parts.ts";

type TurnEntry = Extract<Entry, { type: "turn" }>;
type CallPart = Extract<TurnPart, { type: "call" }>;

/** Feedback to the model, with the end of the run if it has been told too often. */
interface Fault {
  readonly why: string;
  readonly code: "MODEL_OUTPUT_UNUSABLE" | "OUTPUT_INVALID";
}

/**
 * Creates the node that sends a turn on: each call to its tool, to a person or, refused, to the log; an answer to the
 * end. All calls are checked before the first is sent. Its messages are held back until all are made, so that a crash
 * sends none twice.
 */
export function dispatchNode(parts: PlannerParts): LoopNode {
  const handler = async ({ payload }: Message<Turned>, ctx: Context): Promise<void> => {
    const { loop, end, screened, isRevised, unmasked } = payload;
    if (isRevised === true) return await ctx.emit(loop, { to: NODES.model });
    // an answer that comes with its end was judged
    if (end?.status === "completed") return await ctx.emit({ loop, end }, { to: NODES.answer });
    if (end !== undefined) return await sendEnd(ctx, loop, end, NODES.answer);
    const entries = await ctx.log.read<Entry>(loop.at);
    const turn = entries.at(-1) as TurnEntry;
    const calls = turn.parts.filter((part): part is CallPart => part.type === "call");
    if (calls.length > 0) return await sendCalls(parts, ctx, loop, { calls, entries, unmasked });
    const ended = await endOf(parts, turn, screened);
    if (!("why" in ended)) {
      const isJudged = ended.status === "completed" && parts.critic !== undefined;
      return await sendEnd(ctx, loop, ended, isJudged ? NODES.critic : NODES.answer);
    }
    const isOutput = ended.code === "OUTPUT_INVALID";
    if (isOutput ? loop.isAskedAgain : loop.repairs >= parts.repairs) {
      const failed: Ending = { status: "failed", code: ended.code, message: ended.why, text: turn.text };
      return await sendEnd(ctx, loop, failed, NODES.answer);
    }
    const at = await log(ctx, parts, turn.step, [{ type: "repair", why: ended.why }]);
    const next: Loop = isOutput ? { ...loop, at, isAskedAgain: true } : { ...loop, at, repairs: loop.repairs + 1 };
    await ctx.emit(next, { to: NODES.model });
  };
  return node(
    { name: NODES.dispatch, policy: { maxRetries: 1, concurrency: Number.POSITIVE_INFINITY } },
    handler,
  ) as LoopNode;
}

/** Sends an end on; behind calls in the background, if there were any. */
async function sendEnd(ctx: Context, loop: Loop, end: Ending, to: string): Promise<void> {
  await ctx.emit({ loop, end }, { to: loop.hasBackground === true ? NODES.record : to });
}

/**
 * Returns the only call of a turn, if it goes straight to a tool of the planner's own: nothing but its arguments has to
 * be looked at, and nothing keeps it waiting. Any other turn is for the node above.
 */
export function straightCall(
  { gate }: PlannerParts,
  ctx: Context,
  before: Loop,
  { turn, listing }: Said,
): Call | undefined {
  // tools that have changed meanwhile are looked at again
  const part = listing === gate.open ? onlyCall(turn.parts) : undefined;
  if (part === undefined) return undefined;
  const admitted = gate.admitAtOnce(part, listing);
  if (admitted === undefined || admitted.listed.source.name !== "") return undefined;
  if (admitted.listed.tool.background === true) return undefined;
  const { budget, spent } = before;
  if (!takeCall(ctx, budget.toolCalls - spent.toolCalls)) return undefined;
  const loop: Loop = { ...before, spent: { ...spent, toolCalls: spent.toolCalls + 1 } };
  const { callId, providerId, tool } = part;
  return callOf({ loop, of: 1, callId, providerId, tool }, admitted);
}

function onlyCall(turn: readonly TurnPart[]): CallPart | undefined {
  let only: CallPart | undefined;
  for (const part of turn) {
    if (part.type !== "call") continue;
    if (only !== undefined) return undefined;
    only = part;
  }
  return only;
}

/** A turn with calls, and the log up to it. */
interface CallingTurn extends Pick<Turned, "unmasked"> {
  readonly calls: readonly CallPart[];
  readonly entries: readonly Entry[];
}

/** Checks all calls of a turn, and sends them on. */
async function sendCalls(
  parts: PlannerParts,
  ctx: Context,
  before: Loop,
  { calls: asked, entries, unmasked }: CallingTurn,
): Promise<void> {
  const who = whoOf(before, ctx);
  const listed = parts.gate.visible(who, before.unavailable, ctx);
  const listing = listed instanceof Promise ? await listed : listed;
  const known = entries.find((entry) => entry.type === "catalogue")?.digests ?? {};
  const verdicts: (Admitted | Refused)[] = [];
  for (const part of asked) {
    const { tool } = listing.tools.get(part.tool) ?? {};
    if (tool?.secrets !== undefined && unmasked !== undefined && unmasked.value === undefined) {
      verdicts.push({ output: lostArguments(part.tool) });
      continue;
    }
    const input = unmasked?.value?.[part.callId] ?? part.input;
    const admitting = parts.gate.admit(who, { tool: part.tool, input }, listing, known);
    const verdict = admitting instanceof Promise ? await admitting : admitting;
    const isRefused = tool?.secrets !== undefined && !("listed" in verdict);
    verdicts.push(isRefused ? withoutSecrets(verdict, textsOfArgs(tool, argsOf(input))) : verdict);
  }
  const { budget, spent } = before;
  let { toolCalls } = spent;
  for (const [index, verdict] of verdicts.entries()) {
    if (!("listed" in verdict)) continue;
    if (takeCall(ctx, budget.toolCalls - toolCalls)) toolCalls += 1;
    else
      verdicts[index] = {
        output: errorOutput("BUDGET_EXHAUSTED", "No call of a tool is left in the budget of this run"),
      };
  }
  const begins = verdicts.some((verdict) => "listed" in verdict && verdict.listed.tool.background === true);
  const loop: Loop = { ...before, spent: { ...spent, toolCalls }, ...(begins && { hasBackground: true }) };
  for (const [index, verdict] of verdicts.entries()) {
    const { callId, providerId, tool } = asked[index] as CallPart;
    const call = { loop, of: asked.length, callId, providerId, tool };
    if ("listed" in verdict) {
      const sent = callOf(call, verdict);
      ctx.emitNowait(sent, { to: nextOf(sent, verdict) });
      if (sent.background === true) {
        const begun: Done = { ...call, output: startedOutput(callId), ms: 0, attempt: 0, background: "begun" };
        ctx.emitNowait(begun, { to: NODES.record });
      }
    } else {
      const done: Done = { ...call, output: verdict.output, ms: 0, attempt: 0, ...stopOf(verdict) };
      ctx.emitNowait(done, { to: NODES.record });
    }
  }
}

function callOf(call: Pick<Call, "loop" | "of" | "callId" | "providerId" | "tool">, admitted: Admitted): Call {
  const { args, digest, asks, listed } = admitted;
  const { effects, timeoutMs, maxRetries, background, secrets } = listed.tool;
  const sent = { ...call, args, digest, effects, timeoutMs, maxRetries };
  if (asks === undefined && background !== true && secrets === undefined) return sent;
  const masked = maskedArgs(listed.tool, args);
  return {
    ...sent,
    ...(asks !== undefined && { asks }),
    ...(background === true && { background }),
    ...(masked !== args && { args: masked, unmasked: transient(args) }),
  };
}

function nextOf({ asks }: Call, { listed: { source } }: Admitted): string {
  return asks === undefined && source.signsIn !== "user" ? toolsNode(source.name) : NODES.ask;
}

function stopOf({ stop }: Refused): { readonly stop?: string } {
  return stop === undefined ? {} : { stop };
}

/** Takes a call out of the budgets: of the planner itself, and of the whole tree. */
function takeCall(ctx: Context, own: number): boolean {
  if (own < 1) return false;
  try {
    ctx.budget.spend({ toolCalls: 1 });
    return true;
  } catch (error) {
    if (error instanceof BudgetExhausted) return false;
    throw error;
  }
}

/** Decides how a turn without calls ends the run, or what the model is told instead. */
async function endOf(parts: PlannerParts, turn: TurnEntry, screened: Turned["screened"]): Promise<Ending | Fault> {
  const { finish, problem, text } = turn;
  if (finish === "cut")
    return { status: "failed", code: "MODEL_OUTPUT_CUT", message: "The answer was cut by a limit of its length", text };
  if (finish === "filtered")
    return {
      status: "failed",
      code: "MODEL_OUTPUT_FILTERED",
      message: "The answer was filtered by the provider",
      text,
    };
  if (problem !== undefined) return { code: "MODEL_OUTPUT_UNUSABLE", why: problem };
  const { text: said, stop } = screened ?? { text };
  if (stop !== undefined) return { status: "failed", code: "POLICY_STOPPED", message: stop };
  if (parts.output === undefined) return { status: "completed", text: said, output: said };
  const read = readOutput(said);
  if (!read.found) return { code: "OUTPUT_INVALID", why: outputNote(read.problem) };
  const checked = await checkAgainst(parts.output.schema, read.value);
  if (checked.ok) return { status: "completed", text: said, output: checked.value };
  return { code: "OUTPUT_INVALID", why: outputNote(checked.problem) };
}
