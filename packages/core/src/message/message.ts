import { FREEZES } from "../foundation/freeze.ts";
import { shown } from "../foundation/options.ts";
import { newId } from "../foundation/ids.ts";
import { EMPTY_META, freezeMeta, type Meta } from "./meta.ts";
import { VOUCHED } from "./vouched.ts";

/** Whose message it is and how it is to be treated. Set once where the trace begins. */
export interface MessageHeaders {
  /** The tenant boundary: fairness, stores, buses and remote calls go by it. */
  readonly tenant: string;
  /** What the message is about, for logs and policies. */
  readonly topic?: string | undefined;
  /**
   * A whole number; higher is served sooner.
   *
   * @defaultValue 0
   */
  readonly priority?: number | undefined;
}

/** The tenant of messages that name none. */
export const DEFAULT_TENANT = "default";

/** What a {@link Message} is made from. */
export interface MessageInit<Payload> {
  readonly payload: Payload;
  /** @defaultValue the tenant `"default"` */
  readonly headers?: MessageHeaders | undefined;
  /** @defaultValue a new unique id */
  readonly traceId?: string | undefined;
  /** Epoch milliseconds. @defaultValue now */
  readonly createdAt?: number | undefined;
  /** Epoch milliseconds after which the trace is given up. @defaultValue none */
  readonly deadlineAt?: number | undefined;
  readonly meta?: Meta | undefined;
}

/** What {@link Message.with} may change. Trace, tenant, priority and deadline belong to the trace. */
export interface MessageChange<Payload> {
  readonly payload?: Payload;
  readonly topic?: string | undefined;
  readonly meta?: Meta;
}

/**
 * A payload in its envelope. Immutable: `message.with({ payload })` makes the next one. Plain objects
 * and arrays in `meta` are copied and frozen, so branches never see each other's changes.
 */
export class Message<out Payload = unknown> {
  static {
    // not in its type: what has the parts of a message need not have it
    Object.defineProperty(this.prototype, Symbol.toPrimitive, { value: asPrimitive });
  }

  readonly payload: Payload;
  readonly headers: MessageHeaders;
  /** Which request the message belongs to. */
  readonly traceId: string;
  /** Epoch milliseconds at which the trace's first message was made. */
  readonly createdAt: number;
  /** Epoch milliseconds after which the trace is given up, if it has a deadline. */
  readonly deadlineAt: number | undefined;
  readonly meta: Meta;

  /**
   * @param vouched - internal: the runtime's word that the parts were checked and frozen before
   * @throws TypeError when the payload is missing or a part is of the wrong kind
   */
  constructor(init: MessageInit<Payload>, vouched?: typeof VOUCHED) {
    // small, so that it costs nothing but the object where the parts are there already
    const parts = vouched === VOUCHED ? (init as MessageParts<Payload>) : checkedParts(init);
    this.payload = parts.payload;
    this.headers = parts.headers;
    this.traceId = parts.traceId;
    this.createdAt = parts.createdAt;
    this.deadlineAt = parts.deadlineAt;
    this.meta = parts.meta;
    if (FREEZES) Object.freeze(this);
  }

  /** The message with some parts replaced; trace, tenant, priority and deadline stay. */
  with<Next = Payload>(change: MessageChange<Next>): Message<Next> {
    return new Message<Next>(
      {
        payload: "payload" in change ? change.payload : (this.payload as unknown as Next),
        headers: "topic" in change ? checkedHeaders({ ...this.headers, topic: change.topic }) : this.headers,
        traceId: this.traceId,
        createdAt: this.createdAt,
        deadlineAt: this.deadlineAt,
        meta: change.meta === undefined ? this.meta : freezeMeta(change.meta),
      },
      VOUCHED,
    );
  }
}

/** The message with another payload, as the runtime makes it for a handler's bare return value. */
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

/** What a message consists of. */
type MessageParts<Payload> = Omit<Message<Payload>, "with">;

function checkedParts<Payload>(init: MessageInit<Payload>): MessageParts<Payload> {
  if (typeof init !== "object" || init === null || !("payload" in init)) {
    throw new TypeError(
      "Cannot make a Message without a payload: pass { payload, headers?, traceId?, deadlineAt?, meta? }",
    );
  }
  const headers = init.headers === undefined ? DEFAULT_HEADERS : checkedHeaders(init.headers);
  const { payload, deadlineAt, meta } = init;
  const traceId = init.traceId ?? newId();
  const createdAt = init.createdAt ?? Date.now();
  if (typeof traceId !== "string" || traceId === "") {
    throw new TypeError(`Option "traceId" of Message must be a string that is not empty: got ${shown(traceId)}`);
  }
  if (!Number.isFinite(createdAt)) {
    throw new TypeError(`Option "createdAt" of Message must be epoch milliseconds: got ${String(createdAt)}`);
  }
  if (typeof meta !== "object" && meta !== undefined) {
    throw new TypeError(`Option "meta" of Message must be an object: got ${shown(meta)}`);
  }
  if (Array.isArray(meta)) throw new TypeError('Option "meta" of Message must be an object: got an array');
  if (deadlineAt !== undefined && !Number.isFinite(deadlineAt)) {
    throw new TypeError(`Option "deadlineAt" of Message must be epoch milliseconds: got ${String(deadlineAt)}`);
  }
  return { payload, headers, traceId, createdAt, deadlineAt, meta: meta === undefined ? EMPTY_META : freezeMeta(meta) };
}

/** Headers that were checked, so that those of another message need not be checked again. */
class CheckedHeaders implements MessageHeaders {
  readonly tenant: string;
  declare readonly topic?: string | undefined;
  declare readonly priority?: number | undefined;

  constructor(headers: MessageHeaders) {
    this.tenant = headers.tenant;
    if (headers.topic !== undefined) this.topic = headers.topic;
    if (headers.priority !== undefined) this.priority = headers.priority;
    Object.freeze(this);
  }
}

/** The headers of messages that were given none. */
export const DEFAULT_HEADERS: MessageHeaders = new CheckedHeaders({ tenant: DEFAULT_TENANT });

/**
 * A frozen copy of headers; headers of a message are returned as they are.
 *
 * @throws TypeError when the tenant is empty or the priority is not a whole number
 */
export function checkedHeaders(headers: MessageHeaders): MessageHeaders {
  if (headers instanceof CheckedHeaders) return headers;
  if (typeof headers !== "object" || headers === null || typeof headers.tenant !== "string" || headers.tenant === "") {
    throw new TypeError(`Header "tenant" must be a string that is not empty: got ${shown(headers?.tenant)}`);
  }
  if (headers.priority !== undefined && !Number.isInteger(headers.priority)) {
    throw new TypeError(`Header "priority" must be a whole number: got ${shown(headers.priority)}`);
  }
  return new CheckedHeaders(headers);
}

/** A message used as text says what it is; used as a number, or added, it was taken for its payload. */
function asPrimitive(this: Message, hint: string): string {
  if (hint === "string") return `[message of trace "${this.traceId}"; its payload is message.payload]`;
  throw new TypeError(
    "Cannot use a message as its payload: read message.payload, or use payloadNode for a handler of the payload alone",
  );
}
