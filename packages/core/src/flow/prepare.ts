import { FlowError, FlowErrorCode } from "../foundation/flow-error.ts";
import {
  nameOfNode,
  requireKnownKeys,
  requireNumber,
  requireObject,
  requireOptions,
  requireSignal,
  requireText,
} from "../foundation/options.ts";
import { DEFAULT_HEADERS, Message, type MessageHeaders } from "../message/message.ts";
import { requireBudget } from "../message/budget.ts";
import { EMPTY_META } from "../message/meta.ts";
import { VOUCHED } from "../message/vouched.ts";
import type { Engine } from "../engine/engine.ts";
import type { Edge } from "../engine/state/worker.ts";
import type { EmitOptions } from "./call-options.ts";

const EMIT_OPTIONS: ReadonlySet<string> = new Set([
  "tenant",
  "principal",
  "topic",
  "priority",
  "traceId",
  "id",
  "keepMs",
  "deadlineAt",
  "timeoutMs",
  "meta",
  "signal",
  "exclusive",
  "budget",
  "to",
]);

/** A message and where it is sent. */
export interface Prepared {
  readonly message: Message;
  readonly edges: readonly Edge[];
  /** Number of the trace's id, if it is new. */
  readonly idNumber: number | undefined;
}

/** Makes the message that is sent of an input and options, and finds the entry edges it goes to. */
export function prepare(engine: Engine, input: unknown, options: EmitOptions): Prepared {
  requireOptions("a call", options);
  for (const key in options)
    if (key !== "tenant" && key !== "signal" && !EMIT_OPTIONS.has(key))
      requireKnownKeys("a call", options, [...EMIT_OPTIONS]);
  const { exclusive } = options;
  if (exclusive !== undefined) requireText("exclusive", exclusive);
  if (options.signal !== undefined) requireSignal("signal", options.signal);
  if (options.budget !== undefined) requireBudget("budget", options.budget);
  if (options.meta !== undefined) requireObject("meta", options.meta);
  const edges = entriesOf(engine, options.to);
  const base = input instanceof Message ? (input as Message) : undefined;
  let deadlineAt = options.deadlineAt ?? base?.deadlineAt;
  if (options.timeoutMs !== undefined) {
    requireNumber("timeoutMs", options.timeoutMs, 0);
    deadlineAt = Math.min(deadlineAt ?? Number.POSITIVE_INFINITY, engine.clock.epochNow() + options.timeoutMs);
  }
  const { tenant, principal, topic, priority, meta } = options;
  const traceId = options.id === undefined && options.keepMs === undefined ? options.traceId : givenId(options);
  const isRelabelled = tenant !== undefined || principal !== undefined || topic !== undefined || priority !== undefined;
  const old = base?.headers ?? DEFAULT_HEADERS;
  const headers = isRelabelled
    ? engine.headersOf(tenant ?? old.tenant, topic ?? old.topic, priority ?? old.priority, principal ?? old.principal)
    : old;
  if (
    base !== undefined &&
    !isRelabelled &&
    traceId === undefined &&
    meta === undefined &&
    deadlineAt === base.deadlineAt
  ) {
    return { message: base, edges, idNumber: undefined };
  }
  if (
    base === undefined &&
    traceId === undefined &&
    meta === undefined &&
    (deadlineAt === undefined || Number.isFinite(deadlineAt))
  ) {
    const message = carriedFrom(engine, input, headers, deadlineAt);
    return { message, edges, idNumber: engine.ids.last };
  }
  const message = new Message({
    payload: base === undefined ? input : base.payload,
    headers,
    traceId: traceId ?? base?.traceId ?? engine.ids.next(),
    createdAt: base?.createdAt ?? engine.turn.epoch,
    deadlineAt,
    meta: meta === undefined ? base?.meta : { ...base?.meta, ...meta },
  });
  return { message, edges, idNumber: undefined };
}

/**
 * Returns the id of a call that gives one.
 *
 * @throws TypeError, RangeError
 */
function givenId({ id, keepMs, traceId }: EmitOptions): string {
  if (id === undefined) throw new TypeError('Option "keepMs" needs "id": only the outcome of an id is kept');
  requireText("id", id);
  if (traceId !== undefined)
    throw new TypeError('Options "id" and "traceId" exclude each other: an id is the trace id');
  if (keepMs !== undefined) requireNumber("keepMs", keepMs, 0);
  return id;
}

function entriesOf(engine: Engine, to: EmitOptions["to"]): readonly Edge[] {
  const { entries } = engine.workshop;
  if (to === undefined) return entries;
  const name = nameOfNode("to", to);
  const edge = entries.find((candidate) => candidate.target.name === name);
  if (edge !== undefined) return [edge];
  throw new FlowError({
    code: FlowErrorCode.ROUTE_UNKNOWN,
    message: `Cannot deliver to "${name}": it is not an entry node of flow "${engine.options.name}"; entry nodes are ${entries.map((entry) => `"${entry.target.name}"`).join(", ")}`,
  });
}

/** A message of a new trace, from parts that need no check. */
function carriedFrom(
  engine: Engine,
  payload: unknown,
  headers: MessageHeaders,
  deadlineAt: number | undefined,
): Message {
  const createdAt = engine.turn.epoch;
  return new Message(
    { payload, headers, traceId: engine.ids.next(), createdAt, deadlineAt, meta: EMPTY_META },
    VOUCHED,
  );
}
