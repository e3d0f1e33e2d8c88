import type { Hit, Library } from "./library.ts";

/** A passage that is worth reading. */
export interface WeighedHit extends Hit {
  /** Its score times the share of the question that it meets. */
  readonly worth: number;
}

/** What is known so far, and how sure that makes us. */
export interface Findings {
  /** The best first. */
  readonly hits: readonly WeighedHit[];
  /** From 0 to 1: the share of the question, by weight of its terms, that the best passage meets. */
  readonly confidence: number;
}

const MAX_HITS = 5;
const LEAST_SHARE_OF_BEST = 0.35;

/**
 * Ranks hits by what they have of the question as a whole: a passage with every term beats one that
 * repeats a single one. What falls far behind the best is dropped.
 *
 * @param terms - the question's
 */
export function weigh(terms: readonly string[], hits: readonly Hit[], library: Library): Findings {
  const total = sum(terms.map((term) => library.weightOf(term)));
  const shareOf = (hit: Hit) => sum(hit.questionTerms.map((term) => library.weightOf(term))) / total;
  const ranked = hits
    .map((hit) => ({ ...hit, worth: hit.score * shareOf(hit) }))
    // stable: of equals, the one that the library ranks higher stays first
    .toSorted((a, b) => b.worth - a.worth);
  const [best] = ranked;
  if (best === undefined) return { hits: [], confidence: 0 };
  const worthReading = ranked.filter((hit) => hit.worth >= best.worth * LEAST_SHARE_OF_BEST);
  return { hits: worthReading.slice(0, MAX_HITS), confidence: shareOf(best) };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
