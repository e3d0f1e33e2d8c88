import type { StoredFragment } from "../store/fragment-rows.ts";
import type { QuantizedVector } from "../vector/quantize.ts";

/** The reasons for an item's place: ranks and factors, never raw statistics. */
export interface Why {
  /** Place among those found by words, from 1. */
  readonly words?: number | undefined;
  /** Place among those found by vectors, from 1. */
  readonly vectors?: number | undefined;
  /** Factor for a speaker that the query names. */
  readonly speaker: number;
  /** Factor for reinforcement. */
  readonly strength: number;
  /** Factor for age. */
  readonly recency: number;
  /** Place after the reranker or the heuristic, from 1. */
  readonly order: number;
  /** Place after diversification, from 1. */
  readonly place: number;
}

/** Reasons for which a candidate is not in the answer. */
export type Cut = "limit" | "tokens";

/** A fragment that a search has found, on its way to the answer. */
export interface Candidate {
  readonly fragment: StoredFragment;
  readonly words: number | undefined;
  readonly vectors: number | undefined;
  /** Reciprocal ranks, fused. */
  readonly fused: number;
  readonly vector: QuantizedVector | undefined;
}

/** The candidate before it that a candidate is most like, and so gave way to. */
export interface Alike {
  readonly id: string;
  /** From 0, nothing in common, to 1, the same. */
  readonly likeness: number;
}

/** A candidate with its final order. */
export interface RankedCandidate extends Candidate {
  readonly score: number;
  readonly why: Why;
  /** Place after the heuristic, from 1: that of `why.order`, unless a reranker has ordered. */
  readonly heuristic: number;
  /** Absent where diversification compared it with none. */
  readonly alike: Alike | undefined;
}
