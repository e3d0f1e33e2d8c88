import type { MemoryServices } from "../memory-services.ts";
import type { Viewer } from "../store/sight.ts";
import { wordsOf } from "../text/words.ts";
import type { Candidate, RankedCandidate } from "./candidate.ts";
import { diversify } from "./diversify.ts";
import type { FallbackReason } from "./fallback.ts";
import { factorsOf } from "./heuristic.ts";
import { tryRollout } from "./reranker.ts";
import { newerFirst } from "./search.ts";

/** Candidates that a reranker is given. */
const RERANKED = 30;

/** Candidates in their final order, and who ordered them. */
export interface Ranking {
  readonly ranked: readonly RankedCandidate[];
  readonly ranker: string;
  readonly fallback: FallbackReason | undefined;
}

/** Orders candidates: heuristic, then the reranker if it is rolled out to the viewer, then diversification. */
export async function rankCandidates(
  { reranker }: Pick<MemoryServices, "reranker">,
  candidates: readonly Candidate[],
  { viewer, query, now }: { readonly viewer: Viewer; readonly query: string; readonly now: number },
  signal: AbortSignal,
): Promise<Ranking> {
  const words = new Set(wordsOf(query));
  const scored = candidates
    .map((candidate) => {
      const factors = factorsOf(candidate, words, now);
      return { ...candidate, factors, score: candidate.fused * factors.speaker * factors.strength * factors.recency };
    })
    .sort((one, other) => other.score - one.score || newerFirst(one, other));
  const head = scored.slice(0, RERANKED);
  const texts = head.map(({ fragment }) => fragment.text);
  const judged = await tryRollout(
    head.length === 0 ? undefined : reranker,
    viewer,
    signal,
    async (judge, until) => await judge.rerank(query, texts, until),
    (scores) => scores.length === texts.length && scores.every(Number.isFinite),
  );
  const ordered = "value" in judged ? [...byScores(head, judged.value), ...scored.slice(RERANKED)] : scored;
  const placeOf = new Map(scored.map(({ fragment }, at) => [fragment.seq, at + 1]));
  const orderOf = new Map(ordered.map(({ fragment }, at) => [fragment.seq, at + 1]));
  const ranked = diversify(ordered).map(({ item, alike }, at): RankedCandidate => {
    const { factors, ...candidate } = item;
    const { words: byWords, vectors, fragment } = candidate;
    const why = { words: byWords, vectors, ...factors, order: orderOf.get(fragment.seq) ?? 0, place: at + 1 };
    return { ...candidate, why, heuristic: placeOf.get(fragment.seq) ?? 0, alike };
  });
  return "value" in judged
    ? { ranked, ranker: reranker?.use.name ?? "", fallback: undefined }
    : { ranked, ranker: "heuristic", fallback: judged.reason };
}

/** Orders by a reranker's scores. The scores become ranks, since their scale is the model's own. */
function byScores<Item extends { readonly score: number }>(items: readonly Item[], scores: readonly number[]): Item[] {
  return items
    .map((item, at) => ({ item, score: scores[at] ?? 0 }))
    .sort((one, other) => other.score - one.score)
    .map(({ item }, at) => ({ ...item, score: 1 / (at + 1) }));
}
