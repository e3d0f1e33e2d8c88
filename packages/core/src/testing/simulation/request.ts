import type { FlowError } from "../../foundation/flow-error.ts";
import type { Message } from "../../message/message.ts";
import type { FinalOutcome, Outcome, OutcomeStatus } from "../../message/outcome.ts";
import type { TraceRecord } from "../../ports/trace-recorder.ts";
import type { Restart } from "../laws/record-laws.ts";
import type { SimulatedSignal } from "./simulate-options.ts";

/** Tenants of the requests. */
export const TENANTS = ["tenant-1", "tenant-2", "tenant-3"] as const;

/** A request in flight. */
export interface Request {
  readonly message: Message;
  readonly tenant: string;
  readonly traceId: string;
  /** Distinguishes the request from others. */
  readonly key: string;
  /** Signals to be sent into its trace. */
  readonly signals: readonly SimulatedSignal[];
  /** Whether it reaches the flow through the intake. */
  readonly isOffered: boolean;
  hasBegun: boolean;
  /** Whether its results are fetched: unread ones make its trace wait. */
  isEmitted: boolean;
  /** The outcome reported to its caller. */
  told: Told | undefined;
  /** Kind and number of further deliveries with its trace id as `id`; `undefined` for a request without. */
  readonly ofId: { readonly by: "emit" | "call"; readonly redeliveries: number } | undefined;
}

/** Outcome that a caller was told. */
export interface Told {
  /** Status of the outcome; unknown for a bare error. */
  readonly status: OutcomeStatus | undefined;
  readonly error: FlowError | undefined;
}

/** Returns the error of an outcome, if it has one. */
export function errorOf(outcome: Outcome): FlowError | undefined {
  return outcome.status === "completed" ? undefined : outcome.error;
}

/** Whether a caller was told of this outcome. */
export function isToldOf({ status, error }: Told, outcome: FinalOutcome): boolean {
  return (status ?? outcome.status) === outcome.status && error?.code === errorOf(outcome)?.code;
}

/** Returns the name of a request in reports. */
export const nameOf = ({ tenant, traceId }: Request): string => `request "${traceId}" of ${tenant}`;

/** Returns the key that distinguishes a request from those of other tenants. */
export const keyOf = (tenant: string, traceId: string): string => JSON.stringify([tenant, traceId]);

/** Whether a record cannot come before an edge has accepted a message of its trace, or the trace has ended. */
export function isOfBegun(
  record: TraceRecord | Restart,
): record is Exclude<TraceRecord, { readonly type: "signalled" }> {
  return record.type !== "restart" && record.type !== "signalled";
}
