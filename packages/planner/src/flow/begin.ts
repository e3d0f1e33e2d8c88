import { type Context, type Message, node } from "penguiflow";
import { askingAttempt } from "../model/watch-model.ts";
import { readThread, type ThreadMemory } from "../memory/thread-memory.ts";
import { lowest } from "../plan/budget.ts";
import type { EntryInit } from "../plan/entry.ts";
import { callerOf, type Loop, type PlanInput, type Turned } from "../plan/loop-state.ts";
import type { Prompt, PromptPart } from "../plan/log-item.ts";
import { verdictOf } from "../plan/verdict.ts";
import { digestOf } from "../tools/digest.ts";
import type { Listing } from "../tools/catalogue.ts";
import { log, type LoopNode, NODES, type PlannerParts } from "./parts.ts";
import { spend } from "./spend.ts";

const NOTHING_SPENT = Object.freeze({ steps: 0, toolCalls: 0, tokens: 0, costUsd: 0 });

/** Creates the node that begins a run: reads memory and catalogue, and writes the person's message into the log. */
export function beginNode(parts: PlannerParts): LoopNode {
  const { catalogue, memory, policies } = parts;
  const handler = async ({ payload }: Message<PlanInput>, ctx: Context): Promise<void> => {
    const { prompt, user, thread, path = [], streams = false } = payload;
    const caller = callerOf(payload, ctx.tenant, ctx.traceId);
    const begun = { planner: parts.name, path, ...(thread !== undefined && { thread }) };
    ctx.tell({ type: "app.planner.begin", data: begun });
    const listing = await catalogue.list(caller, [], ctx);
    const remembered: ThreadMemory | undefined =
      memory === undefined || path.length > 0
        ? undefined
        : await readThread(memory, caller, {
            model: () => parts.model({ step: 0, caller, path }),
            prices: parts.prices,
            signal: ctx.signal,
            askedBy: askingAttempt("summary", ctx, path),
          });
    const { tokens, costUsd } = remembered?.spent ?? NOTHING_SPENT;
    spend(ctx, { tokens, costUsd });
    const verdict = await verdictOf(policies, { at: "prompt", text: textOf(prompt), caller });
    const replaced = typeof verdict === "object" && "replace" in verdict ? verdict.replace : prompt;
    const entries: EntryInit[] = [
      ...(catalogue.fixed !== undefined ? [] : [{ type: "catalogue" as const, digests: await digestsOf(listing) }]),
      ...(remembered === undefined ? [] : [memoryEntry(remembered)]),
      { type: "said", parts: partsOf(replaced) },
    ];
    const loop: Loop = {
      ...(user !== undefined && { user }),
      ...(thread !== undefined && { thread }),
      path,
      streams,
      at: await log(ctx, parts, 0, entries),
      budget: lowest(parts.budget, payload.budget ?? {}),
      spent: { ...NOTHING_SPENT, tokens, costUsd },
      repairs: 0,
      isAskedAgain: false,
      revisions: 0,
      unavailable: listing.unavailable,
      memoryAt: remembered?.at ?? 0,
    };
    const stop =
      typeof verdict === "object" ? ("deny" in verdict ? verdict.deny : "stop" in verdict && verdict.stop) : false;
    if (stop === false) return await ctx.emit(loop, { to: NODES.model });
    const turned: Turned = { loop, end: { status: "failed", code: "POLICY_STOPPED", message: stop } };
    await ctx.emit(turned, { to: NODES.answer });
  };
  return node(
    { name: NODES.begin, policy: { maxRetries: 2, concurrency: Number.POSITIVE_INFINITY } },
    handler,
  ) as LoopNode;
}

/** Returns the pieces of a person's message. */
export function partsOf(prompt: Prompt): readonly PromptPart[] {
  return typeof prompt === "string" ? [{ type: "text", text: prompt }] : prompt;
}

/** Returns the text of a person's message. */
export function textOf(prompt: Prompt): string {
  return partsOf(prompt)
    .map((part) => (part.type === "text" ? part.text : `[${part.filename ?? part.mediaType}]`))
    .join("\n");
}

function memoryEntry({ summary, turns }: ThreadMemory): EntryInit {
  return { type: "memory", turns, ...(summary !== undefined && { summary }) };
}

/** Returns the digests of the tools that may change. */
async function digestsOf({ tools }: Listing): Promise<Record<string, string>> {
  const digests: Record<string, string> = {};
  for (const [name, { tool, source }] of tools) if (source.tools === undefined) digests[name] = await digestOf(tool);
  return digests;
}
