import { notFound } from "../memory-error.ts";
import type { Rows } from "../store/rows.ts";
import { contextGivenTo } from "./context.ts";

/** Everything that goes when a fragment is erased. The log keeps that something was erased, when and by whom. */
export interface ErasurePreview {
  readonly id: string;
  /** Characters of the text. */
  readonly characters: number;
  /** Vectors, one for each model. */
  readonly vectors: number;
  /** Embedding jobs. */
  readonly jobs: number;
  /** Facts of its history. */
  readonly events: number;
  /** Users who see it by a grant in force, and will not any more. */
  readonly grants: number;
  /** Fragments of the conversation that are found by words of this one, and will not be any more. */
  readonly neighbours: readonly string[];
  /** Older fragments that it hides: they are found again. */
  readonly reappearing: readonly string[];
}

/**
 * Says what erasing an owner's fragment takes away, without doing it.
 *
 * @throws MemoryError `NOT_FOUND` unless it is the owner's
 */
export async function previewErasure(rows: Rows, owner: string, id: string, now: number): Promise<ErasurePreview> {
  const fragment = await rows.fragments.ofOwner(owner, id);
  if (fragment === undefined) throw notFound();
  const grants = fragment.level === "shared" ? await rows.grants.of(fragment.seq) : [];
  return {
    id,
    characters: Array.from(fragment.text).length,
    ...(await rows.fragments.attachedTo(fragment.seq)),
    grants: grants.filter(({ expiresAt = Number.POSITIVE_INFINITY }) => expiresAt > now).length,
    neighbours: (await contextGivenTo(rows, fragment)).map((neighbour) => neighbour.id),
    reappearing: await rows.fragments.hiddenBy(fragment.seq),
  };
}
