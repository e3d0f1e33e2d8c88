import { type Context, type Message, node } from "penguiflow";
import { rememberTurn } from "../memory/thread-memory.ts";
import { amounts } from "../plan/budget.ts";
import type { Ending, Entry } from "../plan/entry.ts";
import type { Loop, Turned } from "../plan/loop-state.ts";
import { type BareEnd, planEnd } from "../plan/plan-end.ts";
import { textOf } from "./begin.ts";
import { log, type LoopNode, NODES, type PlannerParts, whoOf } from "./parts.ts";

/** Creates the node that ends a run: writes its end into the log and, if it has completed, its turn into memory. */
export function answerNode(parts: PlannerParts): LoopNode {
  const handler = async ({ payload }: Message<Turned>, ctx: Context): Promise<BareEnd<unknown>> => {
    const { loop } = payload;
    const end = payload.end as Ending;
    if (end.status === "completed") await remember(parts, ctx, loop, end.text);
    const spent = loop.path.length === 0 ? amounts({ ...loop.spent, ...ctx.budget.spent }) : loop.spent;
    await log(ctx, parts, loop.spent.steps, [{ type: "end", end, spent }]);
    const { status } = end;
    const code = end.status === "failed" ? { code: end.code } : {};
    const which = end.status === "exhausted" ? { which: end.which } : {};
    ctx.tell({ type: "app.planner.end", data: { status, ...code, ...which, spent } });
    return planEnd(end, { runId: ctx.traceId, steps: [], spent }) as BareEnd<unknown>;
  };
  return node(
    { name: NODES.answer, policy: { maxRetries: 2, concurrency: Number.POSITIVE_INFINITY } },
    handler,
  ) as LoopNode;
}

async function remember({ memory }: PlannerParts, ctx: Context, loop: Loop, answer: string): Promise<void> {
  if (memory === undefined || loop.path.length > 0 || loop.thread === undefined) return;
  const entries = await ctx.log.read<Entry>();
  const user = entries.flatMap((entry) => (entry.type === "said" ? [textOf(entry.parts)] : [])).join("\n");
  const tools = new Set(entries.flatMap((entry) => (entry.type === "result" ? [entry.tool] : [])));
  const { caller } = whoOf(loop, ctx);
  await rememberTurn(memory, caller, { runId: ctx.traceId, user, answer, tools: [...tools] }, loop.memoryAt);
}
