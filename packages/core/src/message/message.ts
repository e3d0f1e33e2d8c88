import { FREEZES } from "../foundation/freeze.ts";
import { requireObject, shown } from "../foundation/options.ts";
import { newId } from "../foundation/ids.ts";
import { EMPTY_META, freezeMeta, type Meta } from "./meta.ts";
import { checkedPrincipal } from "./checked-principal.ts";
import type { Principal } from "./principal.ts";
import { VOUCHED } from "./vouched.ts";

/** A message's tenant, principal, topic and priority. Set once, at the start of the trace. */
export interface MessageHeaders {
  /** The tenant boundary: fairness, stores, buses and remote calls are scoped to it. */
  readonly tenant: string;
  /** The one that the trace acts for, if its caller named one. Kept out of events, the bus and remote calls. */
  readonly principal?: Principal | undefined;
  /** The subject of the message, for logs and policies. */
  readonly topic?: string | undefined;
  /**
   * Whole number; higher values are served sooner.
   *
   * @defaultValue 0
   */
  readonly priority?: number | undefined;
}

/** The tenant of messages that name none. */
export const DEFAULT_TENANT = "default";

/** Fields from which a {@link Message} is made. */
export interface MessageInit<Payload> {
  readonly payload: Payload;
  /** @defaultValue the tenant `"default"` */
  readonly headers?: MessageHeaders | undefined;
  /** @defaultValue a new unique id */
  readonly traceId?: string | undefined;
  /** Epoch milliseconds. @defaultValue now */
  readonly createdAt?: number | undefined;
  /** Epoch milliseconds after which the trace ends as exhausted. @defaultValue none */
  readonly deadlineAt?: number | undefined;
  readonly meta?: Meta | undefined;
}

/** The fields that {@link Message.with} may change. Trace, tenant, principal, priority and deadline belong to the trace. */
export interface MessageChange<Payload> {
  readonly payload?: Payload;
  readonly topic?: string | undefined;
  readonly meta?: Meta;
}

/**
 * A payload in its envelope. Immutable: `message.with({ payload })` returns a changed copy. Plain objects and arrays in
 * `meta` are copied and frozen, so branches never see each other's changes.
 */
export class Message<out Payload = unknown> {
  static {
    // kept out of the type, so that an object with the fields of a message needs no such method
    Object.defineProperty(this.prototype, Symbol.toPrimitive, { value: asPrimitive });
  }

  readonly payload: Payload;
  readonly headers: MessageHeaders;
  /** Id of the request that the message belongs to. */
  readonly traceId: string;
  /** Epoch milliseconds at which the trace's first message was created. */
  readonly createdAt: number;
  /** Epoch milliseconds after which the trace ends as exhausted, if it has a deadline. */
  readonly deadlineAt: number | undefined;
  readonly meta: Meta;

  /**
   * @param vouched - internal: the runtime's assertion that the fields are already checked and frozen
   * @throws TypeError when the payload is missing or a field has the wrong type
   */
  constructor(init: MessageInit<Payload>, vouched?: typeof VOUCHED) {
    // kept small, so that vouched fields cost nothing beyond the object
    const parts = vouched === VOUCHED ? (init as MessageParts<Payload>) : checkedParts(init);
    this.payload = parts.payload;
    this.headers = parts.headers;
    this.traceId = parts.traceId;
    this.createdAt = parts.createdAt;
    this.deadlineAt = parts.deadlineAt;
    this.meta = parts.meta;
    if (FREEZES) Object.freeze(this);
  }

  /** Returns a copy with some fields replaced; trace, tenant, priority and deadline stay. */
  with<Next = Payload>(change: MessageChange<Next>): Message<Next> {
    return new Message<Next>(
      {
        payload: "payload" in change ? change.payload : (this.payload as unknown as Next),
        headers: "topic" in change ? checkedHeaders({ ...this.headers, topic: change.topic }) : this.headers,
        traceId: this.traceId,
        createdAt: this.createdAt,
        deadlineAt: this.deadlineAt,
        meta: change.meta === undefined ? this.meta : freezeMeta(checkedMeta(change.meta)),
      },
      VOUCHED,
    );
  }
}

/** Returns the message with another payload, as the runtime does for a handler's bare return value. */
export function carry<Payload>(parent: Message, payload: Payload): Message<Payload> {
  return new Message<Payload>(
    {
      payload,
      headers: parent.headers,
      traceId: parent.traceId,
      createdAt: parent.createdAt,
      deadlineAt: parent.deadlineAt,
      meta: parent.meta,
    },
    VOUCHED,
  );
}

/** The fields of a message. */
type MessageParts<Payload> = Omit<Message<Payload>, "with">;

function checkedParts<Payload>(init: MessageInit<Payload>): MessageParts<Payload> {
  if (typeof init !== "object" || init === null || !("payload" in init)) {
    throw new TypeError(
      "Cannot make a Message without a payload: pass { payload, headers?, traceId?, deadlineAt?, meta? }",
    );
  }
  if (init.headers !== undefined) requireObject("headers", init.headers);
  const headers = init.headers === undefined ? DEFAULT_HEADERS : checkedHeaders(init.headers);
  const { payload, deadlineAt, meta } = init;
  const traceId = init.traceId ?? newId();
  const createdAt = init.createdAt ?? Date.now();
  if (typeof traceId !== "string" || traceId === "") {
    throw new TypeError(`Option "traceId" of Message must be a non-empty string: got ${shown(traceId)}`);
  }
  if (!Number.isFinite(createdAt)) {
    throw new TypeError(`Option "createdAt" of Message must be epoch milliseconds: got ${String(createdAt)}`);
  }
  if (deadlineAt !== undefined && !Number.isFinite(deadlineAt)) {
    throw new TypeError(`Option "deadlineAt" of Message must be epoch milliseconds: got ${String(deadlineAt)}`);
  }
  return {
    payload,
    headers,
    traceId,
    createdAt,
    deadlineAt,
    meta: meta === undefined ? EMPTY_META : freezeMeta(checkedMeta(meta)),
  };
}

function checkedMeta(meta: Meta): Meta {
  requireObject("meta", meta);
  return meta;
}

/** Headers that have been checked, so that a message reusing them skips the check. */
class CheckedHeaders implements MessageHeaders {
  readonly tenant: string;
  declare readonly principal?: Principal | undefined;
  declare readonly topic?: string | undefined;
  declare readonly priority?: number | undefined;

  constructor(headers: MessageHeaders) {
    this.tenant = headers.tenant;
    if (headers.principal !== undefined) this.principal = checkedPrincipal(headers.principal);
    if (headers.topic !== undefined) this.topic = headers.topic;
    if (headers.priority !== undefined) this.priority = headers.priority;
    Object.freeze(this);
  }
}

/** Headers of messages that were created without any. */
export const DEFAULT_HEADERS: MessageHeaders = new CheckedHeaders({ tenant: DEFAULT_TENANT });

/**
 * Returns a frozen copy of headers; headers of a message are returned as they are.
 *
 * @throws TypeError when the tenant is empty, the principal is no JSON data or the priority is not a whole number
 */
export function checkedHeaders(headers: MessageHeaders): MessageHeaders {
  if (headers instanceof CheckedHeaders) return headers;
  if (typeof headers !== "object" || headers === null || typeof headers.tenant !== "string" || headers.tenant === "") {
    throw new TypeError(`Header "tenant" must be a non-empty string: got ${shown(headers?.tenant)}`);
  }
  if (headers.priority !== undefined && !Number.isInteger(headers.priority)) {
    throw new TypeError(`Header "priority" must be a whole number: got ${shown(headers.priority)}`);
  }
  if (headers.topic !== undefined && typeof headers.topic !== "string") {
    throw new TypeError(`Header "topic" must be a string: got ${shown(headers.topic)}`);
  }
  return new CheckedHeaders(headers);
}

/** Returns headers for observers and other systems: those given, without the principal. */
export function withoutPrincipal(headers: MessageHeaders): MessageHeaders {
  return headers.principal === undefined ? headers : new CheckedHeaders({ ...headers, principal: undefined });
}

/** Describes a message used as text; throws when it is used as a number, because the caller took it for its payload. */
function asPrimitive(this: Message, hint: string): string {
  if (hint === "string") return `[message of trace "${this.traceId}"; its payload is message.payload]`;
  throw new TypeError(
    "Cannot use a message as its payload: read message.payload, or use payloadNode for a handler of the payload alone",
  );
}
