import { FlowError, FlowErrorCode, type Log, type LogKey } from "penguiflow";
import type { PromptParts, RememberedTurn } from "../model/prompt-parts.ts";
import type { Caller } from "../plan/caller.ts";

/** The memory of a planner: what earlier runs of a thread have said. A run without a thread has none. */
export interface Memory {
  readonly store: Log;
  /** Number of the last turns that a prompt shows whole. @defaultValue 5 */
  readonly turns?: number | undefined;
}

/** The turns of a thread that a prompt shows, and how far its log has come. */
export interface ThreadMemory extends Pick<PromptParts["memory"], "summary" | "turns"> {
  /** Position after the last item that was there. A turn of this run is at it or behind. */
  readonly at: number;
}

const DEFAULT_TURNS = 5;
const NOTHING: ThreadMemory = Object.freeze({ turns: Object.freeze([]), at: 0 });

/** Reads what a prompt shows of a thread. */
export async function readThread(memory: Memory, caller: Caller): Promise<ThreadMemory> {
  const key = threadKey(caller);
  if (key === undefined) return NOTHING;
  const { length } = await memory.store.read(key, { limit: 1 });
  const shown = memory.turns ?? DEFAULT_TURNS;
  if (shown === 0) return { turns: [], at: length };
  const page = await memory.store.read(key, { from: Math.max(0, length - shown), limit: shown });
  return { turns: page.items as readonly RememberedTurn[], at: page.length };
}

/**
 * Adds a turn to its thread, unless it is there already: once for each run.
 *
 * @param from - position from which it may be there: {@link ThreadMemory.at} of its run
 */
export async function rememberTurn(memory: Memory, caller: Caller, turn: RememberedTurn, from = 0): Promise<void> {
  const key = threadKey(caller);
  if (key === undefined) return;
  for (let position = from; ;) {
    const page = await memory.store.read(key, { from: position });
    if (page.items.some((item) => (item as RememberedTurn).runId === turn.runId)) return;
    position = Math.max(position, page.at + page.items.length);
    if (position < page.length) continue;
    try {
      await memory.store.append(key, page.length, [turn]);
      return;
    } catch (error) {
      // another run was faster: what it has added is read first
      if (!(error instanceof FlowError) || error.code !== FlowErrorCode.LOG_CONFLICT) throw error;
    }
  }
}

/** Returns the key of a caller's thread. A list as JSON: no name can pass for two. */
function threadKey({ tenant, user, thread }: Caller): LogKey | undefined {
  if (thread === undefined) return undefined;
  return { tenant, name: JSON.stringify(["thread", user ?? null, thread]) };
}
