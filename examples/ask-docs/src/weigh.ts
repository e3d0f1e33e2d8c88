import type { Hit, Library } from "./library.ts";

/** A passage that is worth reading. */
export interface WeighedHit extends Hit {
  /** Score times the share of the question that the passage covers. */
  readonly worth: number;
}

/** Findings so far, and their confidence. */
export interface Findings {
  /** Hits, the best first. */
  readonly hits: readonly WeighedHit[];
  /** Share of the question, by weight of its terms, that the best passage covers: 0 to 1. */
  readonly confidence: number;
}

const MAX_HITS = 5;
const LEAST_SHARE_OF_BEST = 0.35;

/**
 * Ranks hits by the share of the whole question they cover: a passage with every term beats one that repeats a single
 * term. Drops hits far behind the best.
 *
 * @param terms - terms of the question
 */
export function weigh(terms: readonly string[], hits: readonly Hit[], library: Library): Findings {
  const total = sum(terms.map((term) => library.weightOf(term)));
  const shareOf = (hit: Hit) => sum(hit.questionTerms.map((term) => library.weightOf(term))) / total;
  const ranked = hits
    .map((hit) => ({ ...hit, worth: hit.score * shareOf(hit) }))
    // a stable sort: of equals, the one the library ranks higher stays first
    .toSorted((a, b) => b.worth - a.worth);
  const [best] = ranked;
  if (best === undefined) return { hits: [], confidence: 0 };
  const worthReading = ranked.filter((hit) => hit.worth >= best.worth * LEAST_SHARE_OF_BEST);
  return { hits: worthReading.slice(0, MAX_HITS), confidence: shareOf(best) };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
