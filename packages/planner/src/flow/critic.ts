import { type Context, type FlowError, type Message, node } from "penguiflow";
import { callModel } from "../model/call-model.ts";
import { type Critique, CRITIQUE_SCHEMA, criticPrompt, critiqueNote, readCritique } from "../model/critic-prompt.ts";
import { askingAttempt } from "../model/watch-model.ts";
import type { Entry, EntryInit } from "../plan/entry.ts";
import type { Drafted, Loop, Turned } from "../plan/loop-state.ts";
import { leftOf } from "../plan/budget.ts";
import { turnsOf } from "../plan/projection.ts";
import { log, type LoopNode, modelPolicy, NODES, type PlannerParts, whoOf } from "./parts.ts";
import { afterCall, spend, takeStep } from "./spend.ts";

/** A critic with defaults applied. */
type CriticParts = NonNullable<PlannerParts["critic"]>;

/**
 * Creates the node that judges an answer by one model call, in the budget and the log of the run. An answer that falls
 * short goes back to the model with the feedback, as often as the options say. No critic takes an answer away: one that
 * fails, or has no budget left, leaves it as it is and says so.
 */
export function criticNode(parts: PlannerParts, critic: CriticParts): LoopNode {
  const { clock, prices } = parts;
  const handler = async ({ payload: { loop, end } }: Message<Drafted>, ctx: Context): Promise<Turned> => {
    const taken = takeStep(loop, ctx);
    if (typeof taken === "string") return { loop, end: { ...end, unsatisfied: unjudged(`no ${taken} are left`) } };
    const step = loop.spent.steps + 1;
    const { caller, path } = whoOf(loop, ctx);
    const model = critic.model ?? parts.model({ step, caller, path });
    const entries = await ctx.log.read<Entry>(loop.at);
    const startedAt = clock.now();
    const turn = await callModel(model, {
      prompt: criticPrompt({ criteria: critic.criteria, turns: turnsOf(entries), answer: end.text }),
      tools: [],
      mode: "native",
      prices,
      output: CRITIQUE_SCHEMA,
      signal: ctx.signal,
      step,
      askedBy: askingAttempt("critique", ctx, path),
    });
    const { tokensIn, tokensOut, costUsd } = turn;
    const tokens = tokensIn + tokensOut;
    spend(ctx, { tokens, costUsd }, taken);
    const ms = clock.now() - startedAt;
    const asked = { model: model.modelId, provider: model.provider };
    ctx.tell({ type: "app.planner.step", data: { step, ...asked, tokensIn, tokensOut, costUsd, ms } });
    const critique = readCritique(turn.text);
    const judged = critique ?? { score: 0, feedback: unjudged("its verdict cannot be read") };
    const isSatisfied = critique !== undefined && critique.score >= critic.threshold;
    const entry: EntryInit = { type: "critique", ...judged, isSatisfied, tokens, costUsd, ms, attempt: ctx.attempt };
    const next = afterCall(loop, turn, loop.at);
    const revises =
      critique !== undefined && !isSatisfied && loop.revisions < critic.revisions && hasStepLeft(next, ctx);
    const note: EntryInit[] = revises ? [{ type: "repair", why: critiqueNote(critique) }] : [];
    const at = await log(ctx, parts, step, [entry, ...note]);
    if (revises) return { loop: { ...next, at, revisions: loop.revisions + 1, isAskedAgain: false }, isRevised: true };
    return { loop: { ...next, at }, end: isSatisfied ? end : { ...end, unsatisfied: reasonOf(judged) } };
  };
  return node(
    {
      name: NODES.critic,
      boundsLoop: true,
      effects: "reads",
      policy: {
        ...modelPolicy(parts),
        onFailed: (error: FlowError, { payload: { loop, end } }: Message<Drafted>): Turned => ({
          loop,
          end: { ...end, unsatisfied: unjudged(reasonOfFailure(error)) },
        }),
      },
    },
    handler,
  ) as LoopNode;
}

/** Whether a model call is left for the revision: without one, the answer would be lost. */
function hasStepLeft({ budget, spent }: Loop, ctx: Context): boolean {
  const own = leftOf(budget, spent);
  const { steps = 1, tokens = 1, costUsd = 1 } = ctx.budget.left as Readonly<Record<string, number | undefined>>;
  return [own.steps, own.tokens, own.costUsd, steps, tokens, costUsd].every((left) => left > 0);
}

function reasonOfFailure(error: FlowError): string {
  const thrown = error.unwrap();
  return thrown instanceof Error ? thrown.message : String(thrown);
}

function reasonOf({ feedback }: Critique): string {
  return feedback === "" ? "the critic gave no reason" : feedback;
}

function unjudged(why: string): string {
  return `The critic could not judge: ${why}`;
}
