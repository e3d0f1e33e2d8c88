import { type Context, FlowError, FlowErrorCode, type Message, node, type StandIn, type StreamChunk } from "penguiflow";
import type { FlowRef } from "../client/call.ts";
import type { Client } from "../client/client.ts";
import type { AnyFlow } from "./partition-owner.ts";
import type { ClusterSettings } from "./settings.ts";

/** A node of a flow that runs on workers of a kind. */
export interface Segment {
  /** Name of the flow that has the node alone. */
  readonly name: string;
  readonly placement: string;
  readonly node: StandIn;
}

/** Longest time for which the outcome of a segment is kept: until its home has taken it, in milliseconds. */
const KEEP_MS = 3_600_000;
/** Messages that wait at home for their segments; in fact, those of the traces that are in flight. */
const CONCURRENCY = 100_000;

/**
 * Returns the placed nodes of a flow.
 *
 * @throws TypeError for one with an edge to itself, which a node alone has not
 */
export function segmentsOf(flow: AnyFlow): readonly Segment[] {
  return flow.graph.vertices.flatMap(({ index, node: placed, successors }) => {
    const { name, placement } = placed;
    if (placement === undefined) return [];
    if (successors.includes(index))
      throw new TypeError(
        `Cannot run flow "${flow.name}": node "${name}" has a placement and an edge to itself; place a node behind it`,
      );
    return [{ name: `${flow.name}/${name}`, placement, node: placed }];
  });
}

/**
 * Makes the node that stands in for a placed one where the trace is: sends the message to the segment under the key of
 * the message, and returns what comes back. The key is the same after a takeover, so that the segment runs once.
 */
export function homeNode(
  { name, node: placed }: Segment,
  version: string,
  settings: ClusterSettings,
  client: Client,
): StandIn {
  const flow: FlowRef<unknown, unknown> = { name, version };
  // a message that is not stored is unknown after a crash, and its trace begins anew with other keys
  const policy = {
    validate: "none",
    concurrency: CONCURRENCY,
    ordering: placed.policy.ordering,
    durable: "before",
  } as const;
  const keepMs = Math.min(KEEP_MS, settings.keepMs);
  const handler = async (message: Message, ctx: Context): Promise<unknown> => {
    const { tenant, principal, topic, priority } = message.headers;
    const id = ctx.idempotencyKey;
    const cancel = (): void => {
      if (goesOnElsewhere(ctx.signal.reason)) return;
      client.cancel(flow, id, { tenant }).catch(() => {});
    };
    ctx.signal.addEventListener("abort", cancel, { once: true });
    const items = client.stream(flow, message.payload, {
      id,
      tenant,
      principal,
      topic,
      priority,
      keepMs,
      meta: message.meta,
      deadlineAt: ctx.deadlineAt,
      budget: finite(ctx.budget.left),
      signal: ctx.signal,
    });
    const results: unknown[] = [];
    try {
      for await (const item of items) {
        if (item.type === "chunk") await relay(item.chunk, ctx);
        else if (item.type === "result") results.push(item.result);
        else throw cannotPause(name, tenant, id);
      }
    } catch (error) {
      if (ctx.signal.aborted) throw error;
      if (error instanceof FlowError && error.code === FlowErrorCode.TRACE_PAUSED)
        await client.cancel(flow, id, { tenant });
      // the trace is kept as failed at home, and may be tried again from there
      else await client.discard(flow, id, { tenant });
      throw error;
    } finally {
      ctx.signal.removeEventListener("abort", cancel);
      if (Object.keys(items.spent).length > 0 && !ctx.signal.aborted) ctx.budget.spend(items.spent);
    }
    for (const result of results.slice(0, -1)) await ctx.emit(result);
    return results.at(-1);
  };
  return node({ name: placed.name, policy }, handler as never);
}

/** Whether a handler was aborted because its run ends: another one calls the segment again. */
function goesOnElsewhere(reason: unknown): boolean {
  const codes: readonly string[] = [
    FlowErrorCode.FLOW_STOPPED,
    FlowErrorCode.FLOW_NOT_RUNNING,
    FlowErrorCode.PARTITION_FENCED,
    FlowErrorCode.CHECKPOINT_FAILED,
  ];
  return reason instanceof FlowError && codes.includes(reason.code);
}

async function relay({ text, kind, data, meta }: StreamChunk, ctx: Context): Promise<void> {
  if (kind !== undefined) await ctx.emitChunk({ kind, data, meta } as unknown as Parameters<typeof ctx.emitChunk>[0]);
  else if (text !== "") await ctx.emitChunk({ text, meta });
}

function finite(left: Readonly<Partial<Record<string, number>>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(left).flatMap(([name, amount]) => (amount === undefined ? [] : [[name, amount]])),
  );
}

function cannotPause(name: string, tenant: string, traceId: string): FlowError {
  return new FlowError({
    code: FlowErrorCode.TRACE_PAUSED,
    message: `Cannot pause in "${name}": a node with a placement waits for no answer; ask in the node before it`,
    traceId,
    tenant,
  });
}
