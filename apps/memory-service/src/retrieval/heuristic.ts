import { recencyAt, strengthAt } from "../strength.ts";
import { namesSpeaker } from "../text/words.ts";
import type { Candidate } from "./candidate.ts";

const SPEAKER = 1.15;
const STRENGTH = 0.3;
const RECENCY = 0.1;

/** Factors by which the heuristic changes a fused score. */
export interface Factors {
  readonly speaker: number;
  readonly strength: number;
  readonly recency: number;
}

/** Returns the factors of a candidate for a query. */
export function factorsOf({ fragment }: Candidate, words: ReadonlySet<string>, now: number): Factors {
  return {
    speaker: namesSpeaker(words, fragment.source) ? SPEAKER : 1,
    strength: 1 + STRENGTH * strengthAt(fragment, now),
    recency: 1 - RECENCY + RECENCY * recencyAt(fragment.saidAt, now),
  };
}
