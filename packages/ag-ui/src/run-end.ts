import { type FlowError, FlowErrorCode } from "penguiflow";

/** The end of what one request reads of a run. */
export type RunEnd =
  | { readonly status: "completed"; readonly result?: unknown }
  | { readonly status: "paused" | "cancelled" }
  | { readonly status: "failed"; readonly code: string; readonly error: unknown };

/** A request that the protocol does not allow now. Its message is for the client. */
export class Refusal extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** Returns the end that an error means: how a trace ended, or why it was refused. */
export function endOf(error: unknown): RunEnd {
  const { code } = error as Partial<FlowError>;
  if (code === FlowErrorCode.TRACE_PAUSED) return { status: "paused" };
  if (code === FlowErrorCode.TRACE_CANCELLED || code === FlowErrorCode.FLOW_STOPPED) return { status: "cancelled" };
  return { status: "failed", code: typeof code === "string" ? code : "RUN_FAILED", error };
}
