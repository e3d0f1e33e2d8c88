import {
  BudgetExhausted,
  type ErrorPayload,
  errorPayload,
  FlowError,
  type FlowErrorCode,
  type FlowErrorInit,
  TraceCancelled,
} from "../../foundation/flow-error.ts";

/** Maximum length of a stored error's texts, in characters. */
const MAX_TEXT = 16_384;
/** Limit below which an error is stored without stack, causes and details. */
const MIN_TEXT = 64;

/**
 * Truncates an error for the checkpoint store: no text exceeds 16 384 characters, the whole at most `maxBytes` as JSON.
 */
export function keptError(error: unknown, maxBytes: number): ErrorPayload {
  const payload = errorPayload(error);
  for (let limit = MAX_TEXT; limit >= MIN_TEXT; limit /= 2) {
    const kept = bounded(payload, limit);
    if (JSON.stringify(kept).length <= maxBytes) return kept;
  }
  const { stack: _, cause: __, details: ___, ...rest } = payload;
  return bounded(rest, MIN_TEXT);
}

/** Restores an error from the fields that {@link keptError} has stored. */
export function errorFrom(payload: ErrorPayload): FlowError {
  const { code, message, stack, cause, traceId, tenant, node, attempt, latencyMs, retryable, details } = payload;
  const init = {
    code: code as FlowErrorCode,
    message,
    traceId,
    tenant,
    node,
    attempt,
    latencyMs,
    retryable,
    details,
    cause: cause === undefined ? undefined : causeFrom(cause),
  };
  return withStack(ofClass(payload.name, init), stack);
}

/** Makes an error of the class that callers tell apart. */
function ofClass(name: string, init: FlowErrorInit): FlowError {
  if (name === "TraceCancelled") return new TraceCancelled(init);
  if (name !== "BudgetExhausted") return new FlowError(init);
  const { budget, wanted, left } = init.details ?? {};
  return new BudgetExhausted({ ...init, budget: String(budget), wanted: Number(wanted), left: Number(left) });
}

function causeFrom(payload: ErrorPayload): Error {
  if (payload.retryable !== undefined && payload.code !== undefined) return errorFrom(payload);
  const { name, message, code, status, stack, cause } = payload;
  const error = new Error(message, cause === undefined ? undefined : { cause: causeFrom(cause) });
  Object.defineProperty(error, "name", { value: name, configurable: true, writable: true });
  if (code !== undefined) Object.assign(error, { code });
  if (status !== undefined) Object.assign(error, { status });
  return withStack(error, stack);
}

function withStack<Thrown extends Error>(error: Thrown, stack: string | undefined): Thrown {
  Object.defineProperty(error, "stack", { value: stack, configurable: true, writable: true });
  return error;
}

function bounded(payload: ErrorPayload, limit: number): ErrorPayload {
  const kept: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(payload)) kept[key] = typeof value === "string" ? cut(value, limit) : value;
  const { message, stack, cause, details } = payload;
  // shortens the message at the start of a stack, which would push the frames out
  if (stack !== undefined)
    kept["stack"] = cut(
      stack.replace(message, () => cut(message, limit / 2)),
      limit,
    );
  if (cause !== undefined) kept["cause"] = bounded(cause, limit);
  if (details !== undefined) kept["details"] = boundedDetails(details, limit);
  return kept as unknown as ErrorPayload;
}

function boundedDetails(details: Readonly<Record<string, unknown>>, limit: number): Readonly<Record<string, unknown>> {
  try {
    const text = JSON.stringify(details);
    return text.length <= limit
      ? (JSON.parse(text) as Record<string, unknown>)
      : { omitted: `${text.length} characters` };
  } catch (error) {
    return { omitted: cut(errorPayload(error).message, MIN_TEXT) };
  }
}

function cut(text: string, limit: number): string {
  return text.length <= limit ? text : `${text.slice(0, limit)}… (${text.length} characters)`;
}
