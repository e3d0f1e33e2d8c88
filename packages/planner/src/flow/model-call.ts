import type { LanguageModelV4, LanguageModelV4Prompt } from "@ai-sdk/provider";
import type { Context } from "penguiflow";
import { callModel } from "../model/call-model.ts";
import type { HideArguments } from "../model/watch-model.ts";
import { compact, compactRange } from "../model/compact.ts";
import { type Conversation, conversationOf } from "../model/conversation.ts";
import { say } from "../model/messages.ts";
import { ModelError } from "../model/model-error.ts";
import type { ModelTurn } from "../model/model-turn.ts";
import { askingAttempt } from "../model/watch-model.ts";
import { defaultPrompt, promptOf } from "../model/prompt.ts";
import type { PromptParts, StepInfo } from "../model/prompt-parts.ts";
import type { OnDelta } from "../model/read-stream.ts";
import type { Entry, EntryInit } from "../plan/entry.ts";
import type { Loop } from "../plan/loop-state.ts";
import type { Turn } from "../plan/log-item.ts";
import type { Listing } from "../tools/catalogue.ts";
import { foundTools } from "../tools/searchable.ts";
import { maskedInput } from "../tools/secret-arguments.ts";
import type { Tool } from "../tools/tool.ts";
import { type PlannerParts, whoOf } from "./parts.ts";
import { Screen, type Screened } from "./screen.ts";

/** Note for the model with its last call, which has no tools. */
const LAST_CALL = "No more tools can be called. Answer now, with what there is, and say what is missing.";

const NO_TOOLS: readonly Tool[] = [];

const NO_MEMORY: PromptParts["memory"] = { turns: [] };

const NOTHING_LEFT_OUT: Said["compacted"] = [];

/** A model call of a run. */
export interface ModelCall {
  readonly parts: PlannerParts;
  readonly ctx: Context;
  readonly loop: Loop;
  readonly entries: readonly Entry[];
  /** Whether it is the last call, which has no tools. */
  readonly isLast: boolean;
}

/** Turn of a model call, and what it took. */
export interface Said {
  readonly turn: ModelTurn;
  /** The model that was asked. */
  readonly model: LanguageModelV4;
  /** The tools when it was asked. */
  readonly listing: Listing;
  /** Masks secret arguments; absent if no tool has any. */
  readonly hide: HideArguments | undefined;
  /** The text as the policies let it pass; absent without policies. */
  readonly screened: Screened | undefined;
  readonly compacted: readonly Extract<EntryInit, { type: "compacted" }>[];
}

/** Calls the model; with fewer turns, once in a run, when they are too long for it. */
export function askModel(call: ModelCall): Promise<Said> {
  const { parts, ctx, loop } = call;
  const { gate } = parts;
  const listed = gate.open ?? gate.visible(whoOf(loop, ctx), loop.unavailable, ctx);
  return listed instanceof Promise ? listed.then((listing) => askWith(call, listing)) : askWith(call, listed);
}

/** Calls the model with the tools of a listing. */
function askWith(call: ModelCall, listing: Listing): Promise<Said> {
  const { parts, ctx, loop, entries, isLast } = call;
  // the messages of a run share the object of its limits, and no other run has it
  const conversation = conversationOf(loop.budget, entries);
  const { turns, compacted: before } = conversation;
  const { caller, path } = whoOf(loop, ctx);
  const step: StepInfo = { step: loop.spent.steps + 1, caller, path };
  const offer = offerOf(listing);
  const { hide } = offer;
  const tools = isLast ? NO_TOOLS : offer.isPartial ? foundTools(offer.tools, entries) : offer.tools;
  const screen = parts.policies.length === 0 ? undefined : new Screen(parts.policies, caller, tellerOf(call));
  const model = parts.model(step);
  const ask = (left: readonly Turn[] | undefined): Promise<ModelTurn> =>
    callModel(model, {
      prompt: promptFor(call, conversation, left, tools, step),
      tools,
      mode: parts.mode,
      settings: parts.settings,
      prices: parts.prices,
      output: parts.output?.jsonSchema,
      hide,
      signal: ctx.signal,
      step: step.step,
      askedBy: askingAttempt("step", ctx, path),
      onDelta: loop.streams ? onDeltaOf(ctx, screen) : undefined,
    });
  const said = ask(before === undefined ? undefined : compact(turns, before)).then(
    (turn): Said => ({ turn, model, listing, hide, screened: undefined, compacted: NOTHING_LEFT_OUT }),
    async (error: unknown): Promise<Said> => {
      const isTooLong = error instanceof ModelError && error.code === "CONTEXT_TOO_LONG";
      const range = isTooLong && before === undefined ? compactRange(turns) : undefined;
      if (range === undefined) throw error;
      const turn = await ask(compact(turns, range));
      return { turn, model, listing, hide, screened: undefined, compacted: [{ type: "compacted", ...range }] };
    },
  );
  return screen === undefined ? said : screenedBy(screen, said, loop.streams);
}

/** Shows an answer to the policies; as a whole, unless they have seen it sentence by sentence. */
async function screenedBy(screen: Screen, saying: Promise<Said>, isShown: boolean): Promise<Said> {
  const said = await saying;
  if (!isShown) await screen.add(said.turn.text);
  return { ...said, screened: await screen.end() };
}

function promptFor(
  { parts, isLast }: ModelCall,
  { turns, messages, memory }: Conversation,
  left: readonly Turn[] | undefined,
  tools: readonly Tool[],
  step: StepInfo,
): LanguageModelV4Prompt {
  const given = { instructions: parts.instructions(step.caller, step), tools, memory: memory ?? NO_MEMORY };
  if (left === undefined && parts.prompt === defaultPrompt) {
    const prompt = promptOf(given, messages);
    if (isLast) say(prompt, [{ type: "text", text: LAST_CALL }]);
    return prompt;
  }
  const seen = left ?? turns;
  return parts.prompt({ ...given, turns: isLast ? [...seen, { role: "note", text: LAST_CALL }] : [...seen] }, step);
}

/** Returns the function that tells the reader of a stream a text; nothing if there is none. */
function tellerOf({ ctx, loop }: ModelCall): ((text: string) => Promise<void>) | undefined {
  return loop.streams ? async (text) => void (await ctx.emitChunk({ text })) : undefined;
}

function onDeltaOf(ctx: Context, screen: Screen | undefined): OnDelta {
  return (kind, delta) => {
    if (kind === "reasoning") return ctx.emitChunk({ kind: "planner.reasoning", data: { delta } });
    return screen === undefined ? ctx.emitChunk({ text: delta }) : screen.add(delta);
  };
}

/** Tools of a listing. */
interface Offer {
  readonly tools: readonly Tool[];
  /** Whether some of them wait to be found. */
  readonly isPartial: boolean;
  readonly hide: HideArguments | undefined;
}

/** Offers by their listing: one that never changes is the same in each step. */
const offers = new WeakMap<Listing, Offer>();

function offerOf(listing: Listing): Offer {
  let offer = offers.get(listing);
  if (offer === undefined) {
    const tools = [...listing.tools.values()].map(({ tool }) => tool);
    const isPartial = tools.some(({ isDeferred }) => isDeferred === true);
    offers.set(listing, (offer = { tools, isPartial, hide: hideOf(listing, tools) }));
  }
  return offer;
}

function hideOf(listing: Listing, tools: readonly Tool[]): HideArguments | undefined {
  if (tools.every(({ secrets }) => secrets === undefined)) return undefined;
  return (name, input) => maskedInput(listing.tools.get(name)?.tool ?? {}, input);
}
