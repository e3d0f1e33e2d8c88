import { FlowError, FlowErrorCode } from "../foundation/flow-error.ts";
import type { LogKey } from "./log.ts";

/** Creates the error for an append that is not at the end of its log. */
export function logConflict({ tenant, name }: LogKey, at: number, length: number): FlowError {
  return new FlowError({
    code: FlowErrorCode.LOG_CONFLICT,
    message: `Cannot append to log "${name}" at ${at}: its length is ${length}; read what another writer has appended, then append at ${length}`,
    tenant,
    retryable: true,
    details: { name, at, length },
  });
}
