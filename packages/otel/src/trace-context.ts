import { createTraceState, isSpanContextValid, type SpanContext, TraceFlags } from "@opentelemetry/api";
import type { Message } from "penguiflow";
import { MetaKey } from "./conventions.ts";

const { TRACEPARENT, TRACESTATE, TRACELINKS } = MetaKey;

/** Version, trace id, span id, flags; later versions may append fields. */
const SHAPE = /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/;

/** Replaces the context in a message's meta by that of a span. */
export function carrying(message: Message, context: SpanContext): Message {
  const { [TRACELINKS]: _, [TRACESTATE]: __, ...rest } = message.meta;
  const meta: Record<string, unknown> = { ...rest, [TRACEPARENT]: traceparentOf(context) };
  const state = context.traceState?.serialize();
  if (state !== undefined && state !== "") meta[TRACESTATE] = state;
  return message.with({ meta: Object.freeze(meta) });
}

/** Reads the context of a message; `undefined` when it is absent or malformed. */
export function carriedBy({ meta }: Message): SpanContext | undefined {
  const state = meta[TRACESTATE];
  return parse(meta[TRACEPARENT], typeof state === "string" ? state : undefined);
}

/** Adds the contexts of all gathered messages to the message of a join. */
export function carryingAll(group: Message, parts: readonly Message[]): Message {
  const links = new Set(parts.map(({ meta }) => meta[TRACEPARENT]).filter((value) => typeof value === "string"));
  if (links.size < 2) return group;
  return group.with({ meta: Object.freeze({ ...group.meta, [TRACELINKS]: Object.freeze([...links]) }) });
}

/** Lists the contexts of a message's senders: one, or several for a join's message. */
export function producersOf(message: Message): readonly SpanContext[] {
  const links = message.meta[TRACELINKS];
  const found = Array.isArray(links) ? links.map((link: unknown) => parse(link)) : [carriedBy(message)];
  return found.filter((context) => context !== undefined);
}

function traceparentOf({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-${(traceFlags & 0xff).toString(16).padStart(2, "0")}`;
}

function parse(traceparent: unknown, state?: string): SpanContext | undefined {
  const [, traceId, spanId, flags] = SHAPE.exec(typeof traceparent === "string" ? traceparent : "") ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  // the alternative would add a dependency; this function exists as long as version 1 of the API does
  // oxlint-disable-next-line typescript/no-deprecated
  const traceState = state === undefined ? undefined : createTraceState(state);
  const context: SpanContext = {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16) & TraceFlags.SAMPLED,
    isRemote: true,
    ...(traceState === undefined ? {} : { traceState }),
  };
  return isSpanContextValid(context) ? context : undefined;
}
