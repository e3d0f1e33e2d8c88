import { SdkError, SdkErrorCode, SdkHttpError, UnauthorizedError } from "@modelcontextprotocol/client";
import { FlowError, FlowErrorCode } from "penguiflow";

/** Creates the error of a server that could not be reached: nothing has happened there. */
export function unreachable(source: string, what: string, cause: unknown): FlowError {
  const message = `Cannot ${what} of MCP server "${source}": ${reasonOf(cause)}; check that it runs and can be reached`;
  return new FlowError({ code: FlowErrorCode.REMOTE_UNAVAILABLE, message, cause, retryable: true });
}

/** Creates the error of a server that did not let the caller in. */
export function notSignedIn(source: string, what: string, cause?: unknown): FlowError {
  const message = `Cannot ${what} of MCP server "${source}": it refuses the caller; the user has to sign in`;
  return new FlowError({ code: FlowErrorCode.REMOTE_REFUSED, message, cause });
}

/** Whether a server refused a request because of its credential, or the lack of one. */
export function isUnauthorized(error: unknown): boolean {
  if (UnauthorizedError.isInstance(error)) return true;
  if (SdkHttpError.isInstance(error)) return error.status === 401;
  return SdkError.isInstance(error) && error.code === SdkErrorCode.ClientHttpAuthentication;
}

/** Whether a server has forgotten the session of a request, and so has not executed it. */
export function isSessionGone(error: unknown): boolean {
  return SdkHttpError.isInstance(error) && error.status === 404;
}

/** Whether a connection can no longer be used after an error. */
export function isConnectionLost(error: unknown): boolean {
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

/** Describes an error in one line, with the cause that tells more, such as a refused connection. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? error.cause.message : undefined;
  return cause === undefined || error.message.includes(cause) ? error.message : `${error.message} (${cause})`;
}
