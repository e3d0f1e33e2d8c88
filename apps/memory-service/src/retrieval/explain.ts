import type { Fragment } from "../fragment.ts";
import { tokensOf } from "../text/words.ts";
import type { Cut, RankedCandidate } from "./candidate.ts";
import { sharePlaceGives } from "./fuse.ts";
import type { ExplainedCandidate } from "./recall.ts";
import { newerFirst } from "./search.ts";

/** Explains the way of each candidate that is still seen. Nothing else is mentioned, also not as one that is alike. */
export function explain(
  ranked: readonly RankedCandidate[],
  seen: ReadonlyMap<string, Fragment>,
  cut: ReadonlyMap<string, Cut>,
): ExplainedCandidate[] {
  const fused = new Map(
    ranked
      .toSorted((one, other) => other.fused - one.fused || newerFirst(one, other))
      .map(({ fragment }, at) => [fragment.id, at + 1]),
  );
  return ranked.flatMap(({ fragment, why, heuristic, alike, fused: total }): ExplainedCandidate[] => {
    const view = seen.get(fragment.id);
    if (view === undefined) return [];
    const words = why.words === undefined ? 0 : sharePlaceGives(why.words, 1);
    const way = {
      shares: { words, vectors: why.vectors === undefined ? 0 : total - words },
      fused: fused.get(fragment.id) ?? 0,
      heuristic,
      ...(alike !== undefined && seen.has(alike.id) && { alike }),
      tokens: tokensOf(fragment.text),
    };
    return [{ id: view.id, text: view.text, why, way, cut: cut.get(view.id) }];
  });
}
