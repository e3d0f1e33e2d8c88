import {
  InsufficientScopeError,
  ProtocolError,
  ProtocolErrorCode,
  SdkError,
  SdkErrorCode,
  SdkHttpError,
  UnauthorizedError,
} from "@modelcontextprotocol/client";
import { FlowError, FlowErrorCode } from "penguiflow";

/** Creates the error of a server that could not be reached: nothing has happened there. */
export function unreachable(source: string, cause: unknown): FlowError {
  const message = `Cannot connect to MCP server "${source}": ${reasonOf(cause)}; check that it runs and can be reached`;
  return new FlowError({ code: FlowErrorCode.REMOTE_UNAVAILABLE, message, cause, retryable: true });
}

/** Creates the error of a request that has failed. Its server may have acted on it. */
export function failedRequest(source: string, what: string, cause: unknown): FlowError {
  const message = `Cannot ${what} of MCP server "${source}": ${reasonOf(cause)}`;
  const isCut = isConnectionLost(cause) || (ProtocolError.isInstance(cause) && cause.code === CUT.code);
  const code = isCut ? FlowErrorCode.REMOTE_CUT : FlowErrorCode.REMOTE_FAILED;
  return new FlowError({ code, message, cause, retryable: true });
}

/** Error of a request whose connection ended without its answer, as a server would send it. */
export const CUT = { code: -32_000, message: "the connection was cut before the answer" };

/** Whether a server has refused a request for what it says: another try would be refused, too. */
export function isRefusal(error: unknown): error is ProtocolError {
  return ProtocolError.isInstance(error) && REFUSALS.has(error.code);
}

const REFUSALS = new Set<number>([
  ProtocolErrorCode.InvalidParams,
  ProtocolErrorCode.InvalidRequest,
  ProtocolErrorCode.MethodNotFound,
]);

/** Creates the error of a server that did not let the caller in. */
export function notSignedIn(source: string, what: string, cause?: unknown): FlowError {
  const message = `Cannot ${what} of MCP server "${source}": it refuses the caller; the user has to sign in`;
  return new FlowError({ code: FlowErrorCode.REMOTE_REFUSED, message, cause });
}

/** Whether a server refused a request because of its credential, or the lack of one. */
export function isUnauthorized(error: unknown): boolean {
  if (UnauthorizedError.isInstance(error) || InsufficientScopeError.isInstance(error)) return true;
  if (SdkHttpError.isInstance(error)) return error.status === 401;
  return SdkError.isInstance(error) && error.code === SdkErrorCode.ClientHttpAuthentication;
}

/** Whether a server has forgotten the session of a request, and so has not executed it. */
export function isSessionGone(error: unknown): boolean {
  return SdkHttpError.isInstance(error) && error.status === 404;
}

/** Whether a request has not reached its server. */
export function isUnsent(error: unknown): boolean {
  if (error instanceof FlowError) return error.code === FlowErrorCode.REMOTE_UNAVAILABLE;
  return isSessionGone(error);
}

/** Whether a connection can no longer be used after an error. */
export function isConnectionLost(error: unknown): boolean {
  if (error instanceof FlowError) return error.code === FlowErrorCode.REMOTE_CUT;
  // that is how `fetch` fails
  if (!SdkError.isInstance(error)) return error instanceof TypeError;
  const { code } = error;
  return (
    code === SdkErrorCode.ConnectionClosed ||
    code === SdkErrorCode.NotConnected ||
    code === SdkErrorCode.SendFailed ||
    isSessionGone(error)
  );
}

/** Whether the SDK gave up waiting for an answer. It reports a caller's abort in the same way: ask the signal first. */
export function isTimeout(error: unknown): boolean {
  return SdkError.isInstance(error) && error.code === SdkErrorCode.RequestTimeout;
}

/** Describes an error in one line, with the causes that tell more, such as a refused connection. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const reasons: string[] = [];
  let cause: unknown = error;
  for (let depth = 0; cause instanceof Error && depth < 5; depth += 1) {
    const { message } = cause;
    if (message !== "" && !reasons.some((reason) => reason.includes(message))) reasons.push(message);
    cause = cause.cause;
  }
  return reasons.join(": ");
}
