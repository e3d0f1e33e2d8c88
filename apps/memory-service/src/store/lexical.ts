import type { FragmentFilter, Viewer } from "./sight.ts";

/** A search by words among the current fragments that a viewer may see. */
export interface LexicalQuery {
  readonly viewer: Viewer;
  /** Words without any syntax. */
  readonly words: readonly string[];
  readonly filter: FragmentFilter;
  readonly limit: number;
  readonly now: number;
}

/** Finds fragments by BM25 over text (weight 1) and context (weight 0.4), with the word statistics of the tenant alone. */
export interface Lexical {
  /** Returns sequence numbers, the best first. */
  search(query: LexicalQuery): Promise<readonly number[]>;
}

/** Weight of the context beside the text. */
export const CONTEXT_WEIGHT = 0.4;
