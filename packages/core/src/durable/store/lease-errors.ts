import { FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import { thisProcess } from "../this-process.ts";

/** Rewrites the refusal of a partition; when this very process owns it, the error names the flow at fault. */
export function orOwnedHere(error: FlowError): FlowError {
  const { details } = error;
  if (details?.["owner"] !== thisProcess()) return error;
  return new FlowError({
    code: FlowErrorCode.PARTITION_LEASED,
    message: `Cannot open partition "${String(details["partition"])}" of the checkpoint store: another flow of this process holds it, such as one from before a module reload; stop that flow first, or use another partition`,
    retryable: true,
    details,
    cause: error,
  });
}

/** Whether a thrown value is a FlowError with a given code. */
export function hasCode(thrown: unknown, code: FlowErrorCode): thrown is FlowError {
  try {
    return thrown instanceof FlowError && thrown.code === code;
  } catch {
    // a revoked proxy
    return false;
  }
}
