import type { ApiErrorCode } from "@penguiflow/playground/protocol";
import { FlowError } from "penguiflow";

/** A question of the supervisor that cannot be done. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly code: ApiErrorCode;
  readonly details: unknown;

  constructor(code: ApiErrorCode, message: string, details?: unknown) {
    super(message);
    this.code = code;
    this.details = details;
  }
}

/** Codes of a flow that a page is told under another name. */
const CODES: Readonly<Record<string, ApiErrorCode>> = {
  INPUT_INVALID: "INPUT_INVALID",
  FLOW_NOT_RUNNING: "FLOW_NOT_RUNNING",
  FLOW_STOPPED: "FLOW_NOT_RUNNING",
  TRACE_UNKNOWN: "RUN_ENDED",
  TRACE_ENDED: "RUN_ENDED",
  PAUSE_UNKNOWN: "PAUSE_UNKNOWN",
  PAUSE_MALFORMED: "PAUSE_UNKNOWN",
  PAUSE_FOREIGN: "PAUSE_UNKNOWN",
  PAUSE_USED: "PAUSE_USED",
  PAUSE_EXPIRED: "PAUSE_EXPIRED",
  RESUME_INVALID: "RESUME_INVALID",
  NOT_SERIALISABLE: "INPUT_INVALID",
  PAYLOAD_TOO_LARGE: "INPUT_INVALID",
  PAYLOAD_INVALID: "INPUT_INVALID",
};

/** Returns what the supervisor is told of an error. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  if (error instanceof FlowError)
    return new Refusal(CODES[error.code] ?? "INTERNAL", error.message, { code: error.code, ...error.details });
  return new Refusal("INTERNAL", error instanceof Error ? error.message : String(error));
}

/** Whether an error refuses what was asked, rather than being the end of a run. */
export function isRefusal({ code }: FlowError): boolean {
  return code in CODES;
}
