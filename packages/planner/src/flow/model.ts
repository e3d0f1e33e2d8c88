import { BudgetExhausted, type Context, type FlowError, type Message, node } from "penguiflow";
import { callModel } from "../model/call-model.ts";
import { compact, compactRange } from "../model/compact.ts";
import { ModelError } from "../model/model-error.ts";
import type { ModelTurn } from "../model/model-turn.ts";
import type { StepInfo } from "../model/prompt-parts.ts";
import { leftOf, type PlanBudget } from "../plan/budget.ts";
import type { Ending, Entry, EntryInit } from "../plan/entry.ts";
import type { Loop, Recorded, Turned } from "../plan/loop-state.ts";
import type { PromptPart, Turn } from "../plan/log-item.ts";
import { turnsOf } from "../plan/projection.ts";
import type { Listing } from "../tools/catalogue.ts";
import type {} from "./chunk-kinds.ts";
import { log, type LoopNode, NODES, type PlannerParts, whoOf } from "./parts.ts";

/** Name of the signal that steers a run. */
export const STEER = "planner.steer";

/** A person's message to a running planner. */
export interface Steering {
  readonly parts: readonly PromptPart[];
  readonly by: string;
}

/** What the model is told with its last call, which has no tools. */
const LAST_CALL = "No more tools can be called. Answer now, with what there is, and say what is missing.";

const NO_TOOLS: Listing = { tools: new Map(), unavailable: [] };

/** Names of the budgets that model calls draw on. */
const DRAWN = ["steps", "tokens", "costUsd"] as const;

/** Creates the node that makes one model call. */
export function modelNode(parts: PlannerParts): LoopNode {
  const handler = async ({ payload }: Message<Loop | readonly Recorded[]>, ctx: Context): Promise<Turned> => {
    const loop = loopOf(payload);
    const stop = stopOf(payload);
    if (stop !== undefined) return { loop, end: { status: "failed", code: "POLICY_STOPPED", message: stop } };
    const step = loop.spent.steps + 1;
    const which = exhaustedBudget(loop, ctx);
    if (which !== undefined && parts.onExhausted === "stop") return { loop, end: { status: "exhausted", which } };
    const said = steered(ctx);
    const entries = await ctx.log.read<Entry>();
    const reservation = which === undefined ? ctx.budget.reserve({ steps: 1 }) : undefined;
    const startedAt = parts.clock.now();
    const known = [...entries, ...said.map((each) => ({ ...each, at: 0, step }))];
    const { turn, compacted } = await fitted(parts, ctx, loop, known, which);
    reservation?.settle();
    spend(ctx, turn);
    const ms = parts.clock.now() - startedAt;
    const { text, costUsd } = turn;
    const tokens = turn.tokensIn + turn.tokensOut;
    const at = await log(ctx, parts, step, [...said, ...compacted, turnEntry(turn, ms, ctx.attempt)]);
    const { spent } = loop;
    const next: Loop = {
      ...loop,
      at,
      spent: { ...spent, steps: step, tokens: spent.tokens + tokens, costUsd: spent.costUsd + costUsd },
    };
    if (which === undefined) return { loop: next };
    return { loop: next, end: { status: "exhausted", which, ...(text !== "" && { text }) } };
  };
  return node(
    {
      name: NODES.model,
      boundsLoop: true,
      effects: "reads",
      policy: {
        concurrency: Number.POSITIVE_INFINITY,
        maxRetries: 2,
        retryIf: (error: unknown) => error instanceof ModelError && error.retryable,
        retryAfterMs: (error: unknown) => (error instanceof ModelError ? error.retryAfterMs : undefined),
        onFailed: (error: FlowError, { payload }: Message<Loop | readonly Recorded[]>): Turned => ({
          loop: loopOf(payload),
          end: failure(error),
        }),
      },
    },
    handler,
  ) as LoopNode;
}

/** Calls the model; with fewer turns, once in a run, when they are too long for it. */
async function fitted(
  parts: PlannerParts,
  ctx: Context,
  loop: Loop,
  entries: readonly Entry[],
  exhausted: string | undefined,
): Promise<{ readonly turn: ModelTurn; readonly compacted: readonly Extract<EntryInit, { type: "compacted" }>[] }> {
  const turns = turnsOf(entries);
  const before = entries.find((entry) => entry.type === "compacted");
  try {
    const shown = before === undefined ? turns : compact(turns, before);
    return { turn: await call(parts, ctx, loop, entries, shown, exhausted), compacted: [] };
  } catch (error) {
    const isTooLong = error instanceof ModelError && error.code === "CONTEXT_TOO_LONG";
    const range = isTooLong && before === undefined ? compactRange(turns) : undefined;
    if (range === undefined) throw error;
    const turn = await call(parts, ctx, loop, entries, compact(turns, range), exhausted);
    return { turn, compacted: [{ type: "compacted", ...range }] };
  }
}

/** Makes the prompt of a step and calls the model with it. */
async function call(
  parts: PlannerParts,
  ctx: Context,
  loop: Loop,
  entries: readonly Entry[],
  turns: readonly Turn[],
  exhausted: string | undefined,
): Promise<ModelTurn> {
  const who = whoOf(loop, ctx);
  const step: StepInfo = { step: loop.spent.steps + 1, caller: who.caller, path: who.path };
  const listing = exhausted === undefined ? await parts.gate.visible(who, loop.unavailable, ctx.signal) : NO_TOOLS;
  const tools = [...listing.tools.values()].map(({ tool }) => tool);
  const note: Turn[] = exhausted === undefined ? [] : [{ role: "note", text: LAST_CALL }];
  const prompt = parts.prompt(
    {
      instructions: parts.instructions(who.caller, step),
      tools,
      memory: entries.find((entry) => entry.type === "memory") ?? { turns: [] },
      turns: [...turns, ...note],
    },
    step,
  );
  return await callModel(parts.model(step), {
    prompt,
    tools,
    mode: parts.mode,
    settings: parts.settings,
    prices: parts.prices,
    output: parts.output?.jsonSchema,
    signal: ctx.signal,
    step: step.step,
    ...(loop.streams && { onDelta: tellDelta(ctx) }),
  });
}

function turnEntry(turn: ModelTurn, ms: number, attempt: number): EntryInit {
  const { parts, text, finish, problem, tokensIn, tokensOut, costUsd } = turn;
  const entry = { type: "turn" as const, parts, text, finish, tokens: tokensIn + tokensOut, costUsd, ms, attempt };
  return problem === undefined ? entry : { ...entry, problem };
}

function tellDelta(ctx: Context): (kind: "text" | "reasoning", delta: string) => Promise<void> {
  return async (kind, delta) => {
    if (kind === "text") await ctx.emitChunk({ text: delta });
    else await ctx.emitChunk({ kind: "planner.reasoning", data: { delta } });
  };
}

/** Takes the messages by which people steer the run. */
function steered(ctx: Context): Extract<EntryInit, { type: "said" }>[] {
  return ctx
    .signals<Steering>(STEER)
    .take()
    .map(({ parts, by }) => ({ type: "said", parts, by }));
}

/** Returns the budget that leaves no further model call: of the planner itself, or of the whole tree. */
function exhaustedBudget({ budget, spent }: Loop, ctx: Context): keyof PlanBudget | undefined {
  const own = leftOf(budget, spent);
  const { left } = ctx.budget;
  return DRAWN.find((name) => own[name] <= 0 || (left[name] ?? 1) <= 0);
}

/** Spends what a call has used. A call that used more than was left has been made: the next one finds nothing left. */
function spend(ctx: Context, { tokensIn, tokensOut, costUsd }: ModelTurn): void {
  try {
    ctx.budget.spend({ tokens: tokensIn + tokensOut, costUsd });
  } catch (error) {
    if (!(error instanceof BudgetExhausted)) throw error;
  }
}

function loopOf(payload: Loop | readonly Recorded[]): Loop {
  return isGroup(payload) ? (payload[0] as Recorded).loop : payload;
}

function stopOf(payload: Loop | readonly Recorded[]): string | undefined {
  return isGroup(payload) ? payload.find(({ stop }) => stop !== undefined)?.stop : undefined;
}

function isGroup(payload: Loop | readonly Recorded[]): payload is readonly Recorded[] {
  return Array.isArray(payload);
}

/** Returns the end of a run whose model gives no turn. */
function failure(error: FlowError): Ending {
  const thrown = error.unwrap();
  if (!(thrown instanceof ModelError)) return { status: "failed", code: "RUN_FAILED", message: error.message };
  const { code, message, text } = thrown;
  return { status: "failed", code, message, ...(text !== undefined && { text }) };
}
