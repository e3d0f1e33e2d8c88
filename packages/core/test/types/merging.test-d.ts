/** Kinds of chunks, events and the principal that programs declare. `tsc -b` checks this file; it is never run. */
import {
  type AppEvent,
  type ChunkInit,
  type Context,
  create,
  type FlowEvent,
  payloadNode,
  type Principal,
  type StreamChunk,
} from "penguiflow";
import { same } from "./same.ts";

interface Progress {
  readonly done: number;
}

declare module "penguiflow" {
  interface ChunkKinds {
    "typed.progress": Progress;
    "typed.note": string | undefined;
  }
  interface AppEvents {
    "app.typed": Progress;
    "app.typed_note": string | undefined;
    /** Without the prefix it is no event. */
    typed_wrongly: Progress;
  }
  interface Principals {
    typed: { readonly user: string; readonly scopes: readonly string[] };
  }
}

export async function chunks(ctx: Context): Promise<void> {
  await ctx.emitChunk({ kind: "typed.progress", data: { done: 1 }, done: true });
  await ctx.emitChunk({ kind: "typed.note" });
  await ctx.emitChunk({ kind: "typed.note", data: "text" });
  await ctx.emitChunk({ text: "text" });
  // @ts-expect-error the kind is not declared
  await ctx.emitChunk({ kind: "typed.progres", data: { done: 1 } });
  // @ts-expect-error done is a number
  await ctx.emitChunk({ kind: "typed.progress", data: { done: "1" } });
  // @ts-expect-error this kind has data
  await ctx.emitChunk({ kind: "typed.progress" });
  // @ts-expect-error text or data, not both
  await ctx.emitChunk({ kind: "typed.note", text: "text" });
  // @ts-expect-error data has a kind
  await ctx.emitChunk({ text: "text", data: 1 });
  // @ts-expect-error a chunk has a content
  await ctx.emitChunk({ done: true });

  const flow = create(payloadNode("echo", (text: string) => text).to());
  await flow.emitChunk({ traceId: "t", kind: "typed.progress", data: { done: 1 } });
  // @ts-expect-error done is a number, from outside, too
  await flow.emitChunk({ traceId: "t", kind: "typed.progress", data: { done: "1" } });
}

export function read(chunk: StreamChunk): void {
  if (chunk.kind === "typed.progress") same<typeof chunk.data, Progress>();
  if (chunk.kind === undefined) same<typeof chunk.data, undefined>();
  same<typeof chunk.text, string>();
}

export const forwarded = ({ text, streamId }: StreamChunk): ChunkInit => ({ text, streamId });

export function events(ctx: Context): void {
  ctx.tell({ type: "app.typed", data: { done: 1 } });
  ctx.tell({ type: "app.typed_note" });
  // @ts-expect-error the type is not declared
  ctx.tell({ type: "app.typo", data: { done: 1 } });
  // @ts-expect-error it does not begin with app.
  ctx.tell({ type: "typed_wrongly", data: { done: 1 } });
  // @ts-expect-error done is a number
  ctx.tell({ type: "app.typed", data: { done: "1" } });
  // @ts-expect-error this event has data
  ctx.tell({ type: "app.typed" });
  // @ts-expect-error the runtime's events are its own
  ctx.tell({ type: "node_start", data: { done: 1 } });
}

export function observe(event: FlowEvent): void {
  if (event.type === "app.typed") {
    same<typeof event.data, Progress>();
    same<typeof event.node, string>();
  }
  if (event.type === "node_start") same<typeof event.queueMs, number>();
}

export const own = (event: AppEvent): FlowEvent => event;

export async function principals(ctx: Context): Promise<void> {
  same<typeof ctx.principal, Principal | undefined>();
  const user: string | undefined = ctx.headers.principal?.user;
  const flow = create(payloadNode("echo", (text: string, { principal }) => `${principal?.user} ${text}`).to());
  await flow.call("x", { principal: { user: user ?? "ann", scopes: [] } });
  // @ts-expect-error its scopes are missing
  await flow.emit("x", { principal: { user: "ann" } });
  // @ts-expect-error a principal has no such field
  flow.stream("x", { principal: { user: "ann", scopes: [], admin: true } });
  // @ts-expect-error a principal is read-only
  if (ctx.principal !== undefined) ctx.principal.user = "ben";
}
