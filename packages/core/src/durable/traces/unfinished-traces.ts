import { errorPayload } from "../../foundation/flow-error.ts";
import type { Checkpoint } from "../../ports/checkpoint-store.ts";
import type { UnfinishedTrace } from "../../engine/durability.ts";
import type { DurableHost } from "../../engine/durable-host.ts";
import type { FailedTraces } from "./failed-traces.ts";
import type { ParkedTraces } from "./parked-traces.ts";
import { readState } from "../form/read-state.ts";
import type { SavedTrace } from "../form/saved-trace.ts";
import { stateOf } from "../form/trace-state.ts";

/** Parts of a durable run that {@link unfinishedInMemory} reads. */
export interface UnfinishedTracesHost {
  readonly engine: DurableHost;
  readonly failed: FailedTraces;
  readonly parked: ParkedTraces;
}

/** Lists the traces that a durable flow has not finished, other than the unloaded ones. */
export function unfinishedInMemory({ engine, failed, parked }: UnfinishedTracesHost): UnfinishedTrace[] {
  const running = engine.traces.all().filter(({ isOpen }) => isOpen);
  const listed = [...running].flatMap((trace) => {
    const state = stateOf(engine, trace);
    if (state === undefined) return [];
    return [listing(trace.id, trace.tenant, trace.lasting?.rest === "quiet" ? "paused" : "running", state)];
  });
  const waiting = failed.entries.map((entry) => listingOf(entry, "failed"));
  const left = parked.entries.map((entry) => listingOf(entry, "parked"));
  return [...listed, ...waiting, ...left];
}

/** Lists a trace that is not in memory. Without a status it is an unloaded one. */
export function listingOf(entry: Checkpoint, status?: "failed" | "parked"): UnfinishedTrace {
  const { traceId, tenant } = entry;
  try {
    const state = readState(entry);
    const isAsked = state.pauses?.some(({ token, answer }) => token !== undefined && answer === undefined);
    return listing(traceId, tenant, status ?? (isAsked === true ? "paused" : "running"), state);
  } catch (error) {
    return { tenant, traceId, status: status ?? "paused", startedAt: 0, nodes: [], error: errorPayload(error) };
  }
}

function listing(
  traceId: string,
  tenant: string,
  status: UnfinishedTrace["status"],
  { items, startedAt, error }: SavedTrace,
): UnfinishedTrace {
  const nodes = [...new Set(items.map(({ node }) => node))];
  return { tenant, traceId, status, startedAt, nodes, error };
}
