import { FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import type { Checkpoint } from "../../ports/checkpoint-store.ts";

/** Format version of a stored trace. Older formats are read, newer ones refused. */
export const STATE_VERSION = 4;

/**
 * Parses a state, of a trace or of an outcome.
 *
 * @throws FlowError `GRAPH_CHANGED` when it was written by a newer version
 */
export function readStored({
  version,
  state,
  traceId,
  tenant,
}: Pick<Checkpoint, "version" | "state" | "traceId" | "tenant">): unknown {
  const refusal = (why: string, cause?: unknown): FlowError =>
    new FlowError({
      code: FlowErrorCode.GRAPH_CHANGED,
      message: `Cannot read the stored state of trace "${traceId}": ${why}`,
      traceId,
      tenant,
      cause,
    });
  if (version > STATE_VERSION || version < 1)
    throw refusal(
      `its format is ${version}, and this version of penguiflow reads formats up to ${STATE_VERSION}; upgrade it`,
    );
  try {
    return JSON.parse(state);
  } catch (error) {
    throw refusal("it is damaged", error);
  }
}
