import type { StoredFragment } from "../store/fragment-rows.ts";
import type { Rows } from "../store/rows.ts";
import { sightGroup } from "./sight-group.ts";

/** Rebuilds the context of the fragments around a place of a conversation, and of the one that is there. */
export async function rebuildContext(
  rows: Rows,
  { owner, conversation, position }: Pick<StoredFragment, "owner" | "conversation" | "position">,
): Promise<void> {
  if (conversation === undefined || position === undefined) return;
  const around = await rows.fragments.neighbours(owner, conversation, position);
  const here = await rows.fragments.neighbours(owner, conversation, position - 0.5);
  const affected = new Map([...around, ...here].map((fragment) => [fragment.seq, fragment]));
  for (const fragment of affected.values()) await setContext(rows, fragment);
}

async function setContext(rows: Rows, fragment: StoredFragment): Promise<void> {
  const seen = await contextGivenTo(rows, fragment);
  await rows.fragments.setContext(fragment.seq, seen.map(({ text }) => text).join("\n"));
}

/** Returns the neighbours of a fragment that have its text as context: those of the same sight (law M6). */
export async function contextGivenTo(rows: Rows, fragment: StoredFragment): Promise<StoredFragment[]> {
  const { owner, conversation, position } = fragment;
  if (conversation === undefined || position === undefined) return [];
  const group = sightGroup(fragment);
  const neighbours = await rows.fragments.neighbours(owner, conversation, position);
  return neighbours.filter((neighbour) => sightGroup(neighbour) === group);
}
