import type { Checkpoint } from "../../ports/checkpoint-store.ts";
import type { Trace } from "../../engine/state/trace.ts";
import type { EndedTrace, SavedTrace } from "./saved-trace.ts";
import { STATE_VERSION } from "./stored-version.ts";

/** Returns the checkpoint of a trace with a state. */
export function entryOf(trace: Trace, state: SavedTrace | EndedTrace, status: Checkpoint["status"]): Checkpoint {
  const { run, tenant, id } = trace;
  return { run, tenant, traceId: id, status, version: STATE_VERSION, state: JSON.stringify(state) };
}

/** Whether an entry is of a trace of that id. */
export function isOf({ traceId, tenant }: Checkpoint, id: string, ofTenant: string): boolean {
  return traceId === id && tenant === ofTenant;
}
