import type { Context } from "penguiflow";
import { callModel } from "../model/call-model.ts";
import { compact, compactRange } from "../model/compact.ts";
import { ModelError } from "../model/model-error.ts";
import type { ModelTurn } from "../model/model-turn.ts";
import type { StepInfo } from "../model/prompt-parts.ts";
import type { Entry, EntryInit } from "../plan/entry.ts";
import type { Loop } from "../plan/loop-state.ts";
import type { Turn } from "../plan/log-item.ts";
import { turnsOf } from "../plan/projection.ts";
import type { Listing } from "../tools/catalogue.ts";
import { type PlannerParts, whoOf } from "./parts.ts";
import { Screen, type Screened } from "./screen.ts";

/** Note for the model with its last call, which has no tools. */
const LAST_CALL = "No more tools can be called. Answer now, with what there is, and say what is missing.";

const NO_TOOLS: Listing = { tools: new Map(), unavailable: [] };

/** A model call of a run. */
export interface ModelCall {
  readonly parts: PlannerParts;
  readonly ctx: Context;
  readonly loop: Loop;
  readonly entries: readonly Entry[];
  /** Whether it is the last call, which has no tools. */
  readonly isLast: boolean;
}

/** The model that was asked. */
export interface AskedModel {
  readonly model: string;
  readonly provider: string;
}

/** Turn of a model call, and what it took. */
export interface Said {
  readonly turn: ModelTurn;
  readonly asked: AskedModel;
  /** The text as the policies let it pass; absent without policies. */
  readonly screened?: Screened | undefined;
  readonly compacted: readonly Extract<EntryInit, { type: "compacted" }>[];
}

/** Calls the model; with fewer turns, once in a run, when they are too long for it. */
export async function askModel(call: ModelCall): Promise<Said> {
  const turns = turnsOf(call.entries);
  const before = call.entries.find((entry) => entry.type === "compacted");
  try {
    return await ask(call, before === undefined ? turns : compact(turns, before), []);
  } catch (error) {
    const isTooLong = error instanceof ModelError && error.code === "CONTEXT_TOO_LONG";
    const range = isTooLong && before === undefined ? compactRange(turns) : undefined;
    if (range === undefined) throw error;
    return await ask(call, compact(turns, range), [{ type: "compacted", ...range }]);
  }
}

async function ask(call: ModelCall, turns: readonly Turn[], compacted: Said["compacted"]): Promise<Said> {
  const { parts, ctx, loop, entries, isLast } = call;
  const who = whoOf(loop, ctx);
  const step: StepInfo = { step: loop.spent.steps + 1, caller: who.caller, path: who.path };
  const listed = isLast ? NO_TOOLS : parts.gate.visible(who, loop.unavailable, ctx);
  const listing = listed instanceof Promise ? await listed : listed;
  const tools = [...listing.tools.values()].map(({ tool }) => tool);
  const prompt = parts.prompt(
    {
      instructions: parts.instructions(who.caller, step),
      tools,
      memory: entries.find((entry) => entry.type === "memory") ?? { turns: [] },
      turns: isLast ? [...turns, { role: "note", text: LAST_CALL }] : turns,
    },
    step,
  );
  const tell = async (text: string): Promise<void> => void (await ctx.emitChunk({ text }));
  const screen =
    parts.policies.length === 0 ? undefined : new Screen(parts.policies, who.caller, loop.streams ? tell : undefined);
  const onDelta = async (kind: "text" | "reasoning", delta: string): Promise<void> => {
    if (kind === "reasoning") await ctx.emitChunk({ kind: "planner.reasoning", data: { delta } });
    else await (screen === undefined ? tell(delta) : screen.add(delta));
  };
  const model = parts.model(step);
  const asked = { model: model.modelId, provider: model.provider };
  const turn = await callModel(model, {
    prompt,
    tools,
    mode: parts.mode,
    settings: parts.settings,
    prices: parts.prices,
    output: parts.output?.jsonSchema,
    signal: ctx.signal,
    step: step.step,
    ...(loop.streams && { onDelta }),
  });
  if (screen === undefined) return { turn, asked, compacted };
  if (!loop.streams) await screen.add(turn.text);
  return { turn, asked, compacted, screened: await screen.end() };
}
