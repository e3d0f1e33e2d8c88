import { A2AError } from "@a2a-js/sdk/errors";
import { errorPayload, FlowError, FlowErrorCode } from "penguiflow";

/** Error of an agent that is unreachable, or no longer reachable. */
export function unavailable(agentUrl: string, why: string, cause: unknown): FlowError {
  return new FlowError({
    code: FlowErrorCode.REMOTE_UNAVAILABLE,
    message: `Cannot reach agent "${agentUrl}": ${why}`,
    cause,
    retryable: true,
  });
}

/** Error of an agent that does not support the call. */
export function refused(message: string, cause?: unknown, details: Record<string, unknown> = {}): FlowError {
  return new FlowError({ code: FlowErrorCode.REMOTE_REFUSED, message, cause, details });
}

/** Error that an agent answered over a binding whose errors the SDK does not parse. */
export class AnsweredError extends Error {
  /** Whether the agent reports a failure of its own rather than a wrong call. */
  readonly isInternal: boolean;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(message: string, isInternal: boolean, details: Readonly<Record<string, unknown>>, cause: unknown) {
    super(message, { cause });
    this.isInternal = isInternal;
    this.details = details;
  }
}

/**
 * Translates an error of a call into an error of the port. An agent that answered is never reported as unreachable: a
 * call without an answer has thrown a `FlowError` before.
 *
 * @param isBound - whether the call's task is known: an error says nothing of that task, which may go on
 */
export function errorOf(error: unknown, agentUrl: string, signal: AbortSignal, isBound = false): unknown {
  if (signal.aborted) return signal.reason;
  if (error instanceof FlowError) return error;
  const { cause } = error as { readonly cause?: unknown };
  const told = cause instanceof A2AError ? cause : error;
  if (told instanceof A2AError && told.reason !== "INTERNAL_ERROR")
    return refused(`Agent "${agentUrl}" refused the call: ${told.message} (${told.reason})`, told);
  const { message, isInternal, details } = answeredBy(told);
  if (isBound) return cut(agentUrl, message, told);
  return new FlowError({
    code: FlowErrorCode.REMOTE_FAILED,
    message: `Agent "${agentUrl}" answered with an error: ${message}`,
    cause: told,
    retryable: isInternal,
    details,
  });
}

/** Error of an answer that ended before its last event. */
export function cut(agentUrl: string, why: string, cause?: unknown): FlowError {
  return new FlowError({
    code: FlowErrorCode.REMOTE_CUT,
    message: `Cannot read the answer of agent "${agentUrl}": ${why}`,
    cause,
    retryable: true,
  });
}

/** JSON-RPC code of an internal error of the agent. */
const INTERNAL_ERROR = -32603;

/** Extracts an answered error from the SDK's. An error without a class in the SDK may have been garbled on the way. */
function answeredBy(told: unknown): Pick<AnsweredError, "message" | "isInternal" | "details"> {
  if (told instanceof AnsweredError) return told;
  const { message } = errorPayload(told);
  const { envelopeCode, statusCode } = told as { readonly envelopeCode?: unknown; readonly statusCode?: unknown };
  // the SDK puts the code of an HTTP+JSON 0.3 error into its message only
  const [, code = envelopeCode] = /^REST error: .* \(Code: (-?\d+)\)/s.exec(message) ?? [];
  if (code !== undefined) {
    const rpcCode = Number(code);
    return { message: `${message} (${rpcCode})`, isInternal: rpcCode === INTERNAL_ERROR, details: { rpcCode } };
  }
  if (typeof statusCode === "number")
    return { message: `${message} (${statusCode})`, isInternal: statusCode >= 500, details: { status: statusCode } };
  return { message, isInternal: true, details: {} };
}
