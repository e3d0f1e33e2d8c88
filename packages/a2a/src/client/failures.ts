import { A2AError } from "@a2a-js/sdk/errors";
import { errorPayload, FlowError, FlowErrorCode } from "penguiflow";

/** An agent that cannot be reached, or not any more. */
export function unavailable(agentUrl: string, why: string, cause: unknown): FlowError {
  return new FlowError({
    code: FlowErrorCode.REMOTE_UNAVAILABLE,
    message: `Cannot reach agent "${agentUrl}": ${why}`,
    cause,
    retryable: true,
  });
}

/** An agent that does not do what it is called for. */
export function refused(message: string, cause?: unknown, details: Record<string, unknown> = {}): FlowError {
  return new FlowError({ code: FlowErrorCode.REMOTE_REFUSED, message, cause, details });
}

/** What went wrong, in the words of the port. */
export function errorOf(error: unknown, agentUrl: string, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  if (error instanceof FlowError) return error;
  const { cause } = error as { readonly cause?: unknown };
  const told = cause instanceof A2AError ? cause : error;
  if (told instanceof A2AError && told.reason !== "INTERNAL_ERROR")
    return refused(`Agent "${agentUrl}" does not take the call: ${told.message} (${told.reason})`, told);
  return unavailable(agentUrl, errorPayload(error).message, error);
}
