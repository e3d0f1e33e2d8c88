/**
 * Stable codes for run-time failures of a flow: safe to switch on. `docs/reference/errors.md` states for each code when
 * it occurs and how to respond.
 */
export const FlowErrorCode = {
  /** A handler threw or rejected, and no retry was left. */
  NODE_EXCEPTION: "NODE_EXCEPTION",
  /** An attempt took longer than the node's `timeoutMs`. */
  NODE_TIMEOUT: "NODE_TIMEOUT",
  /** A payload failed the input schema of its target node. */
  INPUT_INVALID: "INPUT_INVALID",
  /** A handler's value failed the node's output schema. */
  OUTPUT_INVALID: "OUTPUT_INVALID",
  /** A value was addressed to a node that the sender has no edge to. */
  ROUTE_UNKNOWN: "ROUTE_UNKNOWN",
  /** A node's policy function threw, or returned an unusable policy for a message. */
  POLICY_FAILED: "POLICY_FAILED",
  /** A join exceeded its `timeoutMs`; also the abort reason for handlers that the join no longer waits for. */
  JOIN_TIMEOUT: "JOIN_TIMEOUT",
  /** Nodes of a cycle wait for one another and no edge of the cycle has capacity left. */
  DEADLOCK: "DEADLOCK",
  /** The trace was cancelled by a caller, by its signal, or with its parent. */
  TRACE_CANCELLED: "TRACE_CANCELLED",
  /** A cancelled trace with this id still has handlers that have not returned. */
  TRACE_UNWINDING: "TRACE_UNWINDING",
  /** The trace with this id has ended. */
  TRACE_ENDED: "TRACE_ENDED",
  /** No trace with this id is in flight or has unread results. */
  TRACE_UNKNOWN: "TRACE_UNKNOWN",
  /** The id was accepted with another input, and its trace is in flight or its outcome kept. */
  ID_CONFLICT: "ID_CONFLICT",
  /** Several tenants use this trace id and the call did not name one. */
  TENANT_REQUIRED: "TENANT_REQUIRED",
  /** The deadline of the trace passed. */
  DEADLINE_EXCEEDED: "DEADLINE_EXCEEDED",
  /** A controller loop used up its hops. */
  HOP_BUDGET_EXHAUSTED: "HOP_BUDGET_EXHAUSTED",
  /** A controller loop used up its tokens. */
  TOKEN_BUDGET_EXHAUSTED: "TOKEN_BUDGET_EXHAUSTED",
  /** A budget of the trace ran out. */
  BUDGET_EXHAUSTED: "BUDGET_EXHAUSTED",
  /** All work of the trace finished and nothing reached the Rookery. */
  NO_RESULT: "NO_RESULT",
  /** An edge was full and the sender chose not to wait. */
  QUEUE_FULL: "QUEUE_FULL",
  /** A handler with retries emitted more messages than the flow holds back. */
  HELD_LIMIT: "HELD_LIMIT",
  /** A handler appended more items to the log of its trace than the flow keeps. */
  LOG_LIMIT: "LOG_LIMIT",
  /** An append was not at the end of a log, because another writer was faster. */
  LOG_CONFLICT: "LOG_CONFLICT",
  /** A wait ended because its `timeoutMs` passed. */
  WAIT_TIMEOUT: "WAIT_TIMEOUT",
  /** A wait ended because its signal was aborted. */
  WAIT_ABORTED: "WAIT_ABORTED",
  /** A handler waited for a further message and none can arrive any more. */
  FETCH_STARVED: "FETCH_STARVED",
  /** A stream already has a writer, or has ended for good. */
  STREAM_BUSY: "STREAM_BUSY",
  /** A handler used its context after its attempt was over. */
  ATTEMPT_OVER: "ATTEMPT_OVER",
  /** The thread that ran a node's function ended before it answered. */
  THREAD_CRASHED: "THREAD_CRASHED",
  /** A function cannot be called in a thread: the module, the function or the pool is missing. */
  THREAD_UNAVAILABLE: "THREAD_UNAVAILABLE",
  /** A value cannot be cloned to or from another thread. */
  NOT_CLONEABLE: "NOT_CLONEABLE",
  /** A value cannot be serialised for the checkpoint store or a client: part of it is not data. */
  NOT_SERIALISABLE: "NOT_SERIALISABLE",
  /** A value exceeds the size limit of a durable flow. */
  PAYLOAD_TOO_LARGE: "PAYLOAD_TOO_LARGE",
  /** Another writer holds the checkpoint store's partition. */
  PARTITION_LEASED: "PARTITION_LEASED",
  /** Another writer has taken over the checkpoint store's partition. */
  PARTITION_FENCED: "PARTITION_FENCED",
  /** Reading or writing the checkpoint store failed: the caller's data may not be stored. */
  CHECKPOINT_FAILED: "CHECKPOINT_FAILED",
  /** The stored state of a trace no longer fits the flow, or was written by a newer version. */
  GRAPH_CHANGED: "GRAPH_CHANGED",
  /** A durable trace was set aside because several owners in a row were lost while it was in flight. */
  POISON_MESSAGE: "POISON_MESSAGE",
  /** A side effect under `ctx.once` has failed before and is not repeated. */
  EFFECT_FAILED: "EFFECT_FAILED",
  /** The outcome of a side effect under `ctx.once` is unknown. */
  EFFECT_UNKNOWN: "EFFECT_UNKNOWN",
  /** The trace is waiting for answers to its pauses. */
  TRACE_PAUSED: "TRACE_PAUSED",
  /** This flow did not issue the token. */
  PAUSE_UNKNOWN: "PAUSE_UNKNOWN",
  /** The token is truncated or altered. */
  PAUSE_MALFORMED: "PAUSE_MALFORMED",
  /** The pause has already been answered, or its trace has ended. */
  PAUSE_USED: "PAUSE_USED",
  /** The pause was not answered in time. */
  PAUSE_EXPIRED: "PAUSE_EXPIRED",
  /** The token belongs to another tenant. */
  PAUSE_FOREIGN: "PAUSE_FOREIGN",
  /** The answer failed the schema of its pause. */
  RESUME_INVALID: "RESUME_INVALID",
  /** Another agent is unreachable. */
  REMOTE_UNAVAILABLE: "REMOTE_UNAVAILABLE",
  /** Another agent rejected the call: unknown skill, or unsupported version, media type or caller. */
  REMOTE_REFUSED: "REMOTE_REFUSED",
  /** The task at another agent failed, was rejected or was cancelled, or the agent answered with an error. */
  REMOTE_FAILED: "REMOTE_FAILED",
  /** The answer of another agent was interrupted and could not be resumed. */
  REMOTE_CUT: "REMOTE_CUT",
  /** Another agent requires input or authentication, and its node does not forward the request. */
  REMOTE_INTERRUPTED: "REMOTE_INTERRUPTED",
  /** The flow has not been started. */
  FLOW_NOT_RUNNING: "FLOW_NOT_RUNNING",
  /** The flow is shutting down or has shut down. */
  FLOW_STOPPED: "FLOW_STOPPED",
  /** A cluster has not stored the message. It is safe to send it again with the same id. */
  NOT_ACCEPTED: "NOT_ACCEPTED",
  /** A cluster may have accepted the message, and its outcome is not known yet. Ask for it with the same id. */
  OUTCOME_UNKNOWN: "OUTCOME_UNKNOWN",
  /** A version of a flow cannot be released on a cluster now. */
  RELEASE_REFUSED: "RELEASE_REFUSED",
} as const;

/** One of the stable codes of a {@link FlowError}. */
export type FlowErrorCode = (typeof FlowErrorCode)[keyof typeof FlowErrorCode];

/** Fields from which a {@link FlowError} is made. */
export interface FlowErrorInit {
  readonly code: FlowErrorCode;
  readonly message: string;
  readonly traceId?: string | undefined;
  readonly tenant?: string | undefined;
  readonly node?: string | undefined;
  /** 1 for the first try. */
  readonly attempt?: number | undefined;
  /** Milliseconds from the start of the attempt to the failure. */
  readonly latencyMs?: number | undefined;
  readonly retryable?: boolean | undefined;
  readonly cause?: unknown;
  /** The message that was being handled. Excluded from the serialised form. */
  readonly failedMessage?: unknown;
  /** JSON-safe details, such as the issues of a failed validation. */
  readonly details?: Readonly<Record<string, unknown>> | undefined;
}

/** An error as plain data, as it appears in events and logs. */
export interface ErrorPayload {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  /** HTTP status from the error's `status` or `statusCode`. */
  readonly status?: number;
  readonly stack?: string;
  readonly cause?: ErrorPayload;
  readonly traceId?: string;
  readonly tenant?: string;
  readonly node?: string;
  readonly attempt?: number;
  readonly latencyMs?: number;
  readonly retryable?: boolean;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** A run-time failure of a flow: its trace, node, attempt and cause, and whether a retry may help. */
export class FlowError extends Error {
  override readonly name: string = "FlowError";
  readonly code: FlowErrorCode;
  readonly traceId: string | undefined;
  readonly tenant: string | undefined;
  readonly node: string | undefined;
  /** 1 for the first try. */
  readonly attempt: number | undefined;
  /** Milliseconds from the start of the attempt to the failure. */
  readonly latencyMs: number | undefined;
  /** Whether the same work may succeed later. */
  readonly retryable: boolean;
  /** JSON-safe details, such as the issues of a failed validation. */
  readonly details: Readonly<Record<string, unknown>> | undefined;
  /** The message that was being handled, for clean-up. Not enumerable and never serialised. */
  declare readonly failedMessage: unknown;

  constructor(init: FlowErrorInit) {
    super(init.message, init.cause === undefined ? undefined : { cause: init.cause });
    this.code = init.code;
    this.traceId = init.traceId;
    this.tenant = init.tenant;
    this.node = init.node;
    this.attempt = init.attempt;
    this.latencyMs = init.latencyMs;
    this.retryable = init.retryable ?? false;
    this.details = init.details;
    Object.defineProperty(this, "failedMessage", { value: init.failedMessage, enumerable: false });
  }

  /** Returns the error as plain, JSON-safe data, with stack and causes but without the failed message. */
  toPayload(): ErrorPayload {
    return errorPayload(this);
  }

  /** Returns the error that user code threw, or this error itself when it has no cause. */
  unwrap(): unknown {
    return "cause" in this ? this.cause : this;
  }

  /** Makes `JSON.stringify` print {@link FlowError.toPayload}. */
  toJSON(): ErrorPayload {
    return this.toPayload();
  }
}

/** The reason with which `ctx.signal` aborts, and waits on `ctx` reject, when a trace is cancelled. */
export class TraceCancelled extends FlowError {
  override readonly name: string = "TraceCancelled";

  constructor(init: Omit<FlowErrorInit, "code" | "message"> & { readonly message?: string }) {
    super({
      ...init,
      code: FlowErrorCode.TRACE_CANCELLED,
      message: init.message ?? `Trace "${init.traceId}" was cancelled`,
    });
  }
}

/** Fields from which a {@link BudgetExhausted} is made. */
export interface BudgetExhaustedInit extends Omit<FlowErrorInit, "message"> {
  readonly budget: string;
  readonly wanted: number;
  readonly left: number;
}

/** A budget of the trace has less left than an attempt wants. A handler that lets it escape ends its trace. */
export class BudgetExhausted extends FlowError {
  override readonly name: string = "BudgetExhausted";
  /** Name of the budget. */
  readonly budget: string;
  readonly wanted: number;
  readonly left: number;

  constructor(init: BudgetExhaustedInit) {
    const { budget, wanted, left } = init;
    super({
      ...init,
      message: `Budget "${budget}" of trace "${init.traceId}" is exhausted: ${left} left, ${wanted} wanted`,
      retryable: false,
      details: { budget, wanted, left },
    });
    this.budget = budget;
    this.wanted = wanted;
    this.left = left;
  }
}

const MAX_CAUSES = 8;

/**
 * Converts any thrown value to plain, JSON-safe data with its class, message, stack and up to eight causes. A value
 * that cannot be read is described as unreadable.
 */
export function errorPayload(error: unknown, depth = 0): ErrorPayload {
  try {
    return error instanceof Error ? payloadOf(error, depth) : { name: typeof error, message: describeThrown(error) };
  } catch {
    return { name: "unknown", message: UNREADABLE };
  }
}

function payloadOf(error: Error, depth: number): ErrorPayload {
  const { code, status, statusCode } = error as { code?: unknown; status?: unknown; statusCode?: unknown };
  const payload: { -readonly [Key in keyof ErrorPayload]: ErrorPayload[Key] } = {
    name: error.name === "Error" ? error.constructor.name : error.name,
    message: error.message,
  };
  if (typeof code === "string") payload.code = code;
  if (typeof status === "number") payload.status = status;
  else if (typeof statusCode === "number") payload.status = statusCode;
  if (error.stack !== undefined) payload.stack = error.stack;
  if (error instanceof FlowError) {
    if (error.traceId !== undefined) payload.traceId = error.traceId;
    if (error.tenant !== undefined) payload.tenant = error.tenant;
    if (error.node !== undefined) payload.node = error.node;
    if (error.attempt !== undefined) payload.attempt = error.attempt;
    if (error.latencyMs !== undefined) payload.latencyMs = error.latencyMs;
    payload.retryable = error.retryable;
    if (error.details !== undefined) payload.details = error.details;
  }
  if (error.cause !== undefined && depth < MAX_CAUSES) payload.cause = errorPayload(error.cause, depth + 1);
  return payload;
}

const UNREADABLE = "a value that cannot be read";

/** Converts any thrown value to text. */
export function describeThrown(value: unknown): string {
  try {
    if (value instanceof Error) return value.message;
    if (typeof value !== "object" || value === null) return String(value);
    return JSON.stringify(value) ?? Object.prototype.toString.call(value);
  } catch {
    return describeClass(value);
  }
}

function describeClass(value: unknown): string {
  try {
    return Object.prototype.toString.call(value);
  } catch {
    return UNREADABLE;
  }
}
