import type { QueryVector } from "../embed/embedding-models.ts";
import type { MemoryServices } from "../memory-services.ts";
import type { FragmentFilter, Viewer } from "../store/sight.ts";
import type { Candidate } from "./candidate.ts";
import { fuseRanks } from "./fuse.ts";

/** Candidates of each way to search. */
const FOUND = 50;

/** A prepared query. */
export interface SearchQuery {
  readonly viewer: Viewer;
  readonly words: readonly string[];
  readonly vector: QueryVector | undefined;
  readonly filter: FragmentFilter;
  readonly now: number;
}

/**
 * Finds the candidates of a tenant by words and by vectors, fused by ranks. Each way finds only what the viewer may see,
 * so that hidden fragments take no places (law M2).
 */
export async function searchTenant(
  { store, index }: Pick<MemoryServices, "store" | "index">,
  tenant: string,
  { viewer, words, vector, filter, now }: SearchQuery,
): Promise<Candidate[]> {
  return await store.read(tenant, async (rows) => {
    const byWords = await rows.lexical.search({ viewer, words, filter, limit: FOUND, now });
    const isFiltered = Object.values(filter).some((value) => value !== undefined);
    const byVectors =
      vector === undefined
        ? []
        : await index.search(rows, {
            viewer,
            model: vector.model,
            vector: vector.vector,
            limit: FOUND,
            now,
            allowed: isFiltered ? await rows.fragments.seqsForViewer(viewer, filter, now) : undefined,
          });
    const fused = fuseRanks([
      { ids: byWords, weight: 1 },
      { ids: byVectors, weight: vector?.weight ?? 0 },
    ]);
    const seqs = [...fused.keys()];
    const seen = await rows.fragments.seqsSeen(viewer, seqs, now);
    const vectors =
      vector === undefined ? undefined : await index.vectorsOf(rows, { viewer, model: vector.model }, seqs);
    const placeIn = (list: readonly number[], seq: number): number | undefined => {
      const at = list.indexOf(seq);
      return at < 0 ? undefined : at + 1;
    };
    return seen
      .map((fragment) => ({
        fragment,
        words: placeIn(byWords, fragment.seq),
        vectors: placeIn(byVectors, fragment.seq),
        fused: fused.get(fragment.seq) ?? 0,
        vector: vectors?.get(fragment.seq),
      }))
      .sort((one, other) => other.fused - one.fused || newerFirst(one, other));
  });
}

/** Orders candidates of one score: the newer first. */
export function newerFirst(one: Candidate, other: Candidate): number {
  return other.fragment.createdAt - one.fragment.createdAt || (one.fragment.id < other.fragment.id ? 1 : -1);
}
