import type { Log, LogKey } from "penguiflow";
import type { RememberedTurn } from "../model/prompt-parts.ts";
import type { Caller } from "../plan/caller.ts";

/** An item of a thread's log. */
export type ThreadItem = RememberedTurn | Summary;

/** A summary of all turns before a position. */
export interface Summary {
  readonly summary: string;
  readonly before: number;
}

/** A turn at its position in the thread's log. */
export interface PlacedTurn {
  readonly at: number;
  readonly turn: RememberedTurn;
}

/** The end of a thread's log. */
export interface ThreadTail {
  /** The latest summary in it. */
  readonly summary: Summary | undefined;
  /** Turns that no summary contains, oldest first. */
  readonly turns: readonly PlacedTurn[];
  /** Position after the last item. */
  readonly length: number;
}

/** Reads the last items of a thread. */
export async function readTail(store: Log, key: LogKey, items: number): Promise<ThreadTail> {
  const { length } = await store.read(key, { limit: 1 });
  const page = await store.read(key, { from: Math.max(0, length - items), limit: items });
  const placed = (page.items as readonly ThreadItem[]).map((item, index) => ({ at: page.at + index, item }));
  const summary = placed.map(({ item }) => item).findLast(isSummary);
  const turns = placed.flatMap(({ at, item }) =>
    isSummary(item) || at < (summary?.before ?? 0) ? [] : [{ at, turn: item }],
  );
  return { summary, turns, length: page.at + page.items.length };
}

function isSummary(item: ThreadItem): item is Summary {
  return "summary" in item;
}

/** Returns the key of a caller's thread. A list as JSON: no name can pass for two. */
export function threadKey({ tenant, user, thread }: Caller): LogKey | undefined {
  if (thread === undefined) return undefined;
  return { tenant, name: JSON.stringify(["thread", user ?? null, thread]) };
}
