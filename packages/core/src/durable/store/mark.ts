import type { Trace } from "../../engine/state/trace.ts";
import type { SavedEnd } from "../form/saved-outcome.ts";
import type { SavedTrace } from "../form/saved-trace.ts";

/** The storage state of a trace. */
class Mark {
  /** Whether the trace is in the list of changed traces. */
  hasChanged = false;
  /** Whether the checkpoint store has an entry of the trace. */
  isStored = false;
  /** Instant until which the trace rests, as stored. */
  dueAt: number | undefined;
  /** Whether the trace can no longer be serialised. */
  isSpoiled = false;
  /** Saved state of a failed trace, while it is kept. */
  failed: SavedTrace | undefined;
  /** Saved outcome of a trace with a given id that has ended. */
  end: SavedEnd | undefined;
  /** Saved state of a trace that is left to a later run. */
  parked: SavedTrace | undefined;
  /** Whether it was decided if its log is kept, after the end of the trace. */
  hasEnded = false;
}

let kept: Mark | undefined;

/** Keeps one mark, so that its hidden class outlives the traces, as the engine's `keepShapes` explains. */
export function keepMarkShape(): void {
  kept ??= new Mark();
}

/** Returns the storage state of a trace. */
export function markOf(trace: Trace): Mark {
  return (trace.more.checkpointed ??= new Mark()) as Mark;
}
