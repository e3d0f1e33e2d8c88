import type { NodeStats } from "../protocol.ts";

/** The slots of a node: one mark each while there are few, else parts of one bar. */
export interface Slots {
  /** Number of marks; 1 where the slots share a bar. */
  readonly marks: number;
  /** Parts from 0 to 1 of the whole row: handlers that run, then attempts whose outputs are held back. */
  readonly running: number;
  readonly held: number;
}

/** Largest number of slots with a mark each. */
const MARKS = 8;

/** Draws the slots of a node. A node without a bound on its concurrency fills its bar as it gets busy. */
export function slotsOf({
  running,
  blocked,
  concurrency,
}: Pick<NodeStats, "running" | "blocked" | "concurrency">): Slots {
  const held = Math.min(blocked, running);
  const isBounded = Number.isFinite(concurrency) && concurrency > 0;
  const all = isBounded ? concurrency : Math.max(MARKS, running);
  return {
    marks: isBounded && concurrency <= MARKS ? concurrency : 1,
    running: Math.min(1, (running - held) / all),
    held: Math.min(1, held / all),
  };
}

/** Returns the state that matters most: held back before running before backoff. */
export function lookOf({
  running,
  blocked,
  parked,
}: Pick<NodeStats, "running" | "blocked" | "parked">): "idle" | "running" | "held" | "backoff" {
  if (blocked > 0) return "held";
  if (running > 0) return "running";
  return parked > 0 ? "backoff" : "idle";
}

/** Says in a few words what a node holds, the most telling first: `2 held`, `12 queued`, `1 in backoff`, `group 2/3`. */
export function nodeParts(
  stats: Pick<NodeStats, "queued" | "blocked" | "parked" | "groups" | "limited" | "zombies">,
): string[] {
  const { queued, blocked, parked, groups, limited, zombies } = stats;
  const [group] = groups;
  return [
    blocked > 0 ? `${blocked} held` : "",
    queued > 0 ? `${queued} queued` : "",
    parked > 0 ? `${parked} in backoff` : "",
    group === undefined ? "" : groups.length === 1 ? `group ${group.have}/${group.want}` : `${groups.length} groups`,
    limited > 0 ? `${limited} limited` : "",
    zombies > 0 ? `${zombies} zombies` : "",
  ].filter((part) => part !== "");
}

/** Joins as many parts as fit into a line, at least the first. */
export function fitting(parts: readonly string[], characters: number): string {
  let line = parts[0] ?? "";
  for (const part of parts.slice(1)) {
    const longer = `${line} · ${part}`;
    if (longer.length > characters) break;
    line = longer;
  }
  return line;
}
