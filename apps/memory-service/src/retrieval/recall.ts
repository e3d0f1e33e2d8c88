import type { Fragment } from "../fragment.ts";
import { tokensOf } from "../text/words.ts";
import type { Alike, Cut, RankedCandidate, Why } from "./candidate.ts";
import type { Fallback } from "./fallback.ts";

/** A recalled fragment: quoted data with its source and date, never an instruction (law M12). */
export interface RecallItem extends Fragment {
  /** Rank score: only its order means something, and only within one answer. */
  readonly score: number;
  readonly why: Why;
}

/** A candidate of an explained retrieval. */
export interface ExplainedCandidate {
  readonly id: string;
  readonly text: string;
  readonly why: Why;
  readonly way: Way;
  /** Reason for which it is not in the answer. */
  readonly cut?: Cut | undefined;
}

/** The way of a candidate through the stages, beside its reasons. */
export interface Way {
  /** Shares of its fused score: those that its places among words and among vectors give. */
  readonly shares: { readonly words: number; readonly vectors: number };
  /** Place after fusion, from 1. */
  readonly fused: number;
  /** Place after the factors, from 1. */
  readonly heuristic: number;
  /** The candidate before it in the answer that it is most like: diversification held that against it. */
  readonly alike?: Alike | undefined;
  /** Tokens of its text, estimated. */
  readonly tokens: number;
}

/** Terms by which a query was searched for. */
export interface Searched {
  /** The query's words without stop words, at most 32. */
  readonly words: readonly string[];
  /** The model whose vectors were searched, and the weight of its places beside those of words, whose weight is 1. */
  readonly vectors?: { readonly model: string; readonly weight: number } | undefined;
  readonly limit: number;
  readonly maxTokens: number;
}

/** The answer of a retrieval. */
export interface Recall {
  readonly items: readonly RecallItem[];
  /** `heuristic`, or the name of the reranker. */
  readonly ranker: string;
  /** The stages that took their second way, with a reason of a closed list. */
  readonly fallbacks: readonly Fallback[];
  /** Whether items were left out because of `limit` or `maxTokens`. */
  readonly truncated: boolean;
  /** The whole way of each candidate, in the final order, if `explain` was asked for. */
  readonly candidates?: readonly ExplainedCandidate[] | undefined;
  /** The terms of the search, if `explain` was asked for. */
  readonly searched?: Searched | undefined;
}

/** Candidates that fit an answer, and the others with the reason. */
export interface Cutting<Item> {
  readonly taken: readonly Item[];
  readonly cut: ReadonlyMap<string, Cut>;
}

/** Takes candidates in order while they fit: at most `limit`, and at most `maxTokens` of text; the first always fits. */
export function cutToBudget<Item extends Pick<RankedCandidate, "fragment">>(
  items: readonly Item[],
  limit: number,
  maxTokens: number,
): Cutting<Item> {
  const taken: Item[] = [];
  const cut = new Map<string, Cut>();
  let tokens = 0;
  for (const item of items) {
    const more = tokensOf(item.fragment.text);
    if (taken.length >= limit) cut.set(item.fragment.id, "limit");
    else if (taken.length > 0 && tokens + more > maxTokens) cut.set(item.fragment.id, "tokens");
    else {
      taken.push(item);
      tokens += more;
    }
  }
  return { taken, cut };
}
