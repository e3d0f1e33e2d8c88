import { CONTEXT_WEIGHT } from "../store/lexical.ts";

const K1 = 1.2;
const B = 0.75;

/** A document with the searched words that it has. */
export interface Document {
  readonly seq: number;
  /** Number of words. */
  readonly length: number;
  /** Occurrences by word: in the text, in the context. */
  readonly counts: ReadonlyMap<string, { readonly text: number; readonly context: number }>;
}

/** Word statistics of a tenant. */
export interface Corpus {
  readonly documents: number;
  /** Number of words of all documents. */
  readonly words: number;
  /** Documents by word. */
  readonly frequencies: ReadonlyMap<string, number>;
}

/** Orders documents by BM25 (k1 = 1.2, b = 0.75), as FTS5 does; of equal ones the newest is first. */
export function rankByBm25(found: readonly Document[], corpus: Corpus): number[] {
  const average = Math.max(1, corpus.words / Math.max(1, corpus.documents));
  return found
    .map(({ seq, length, counts }) => {
      let score = 0;
      for (const [word, { text, context }] of counts) {
        const frequency = corpus.frequencies.get(word) ?? 0;
        // a word that most documents have still counts for something
        const rarity = Math.max(1e-6, Math.log((corpus.documents - frequency + 0.5) / (frequency + 0.5)));
        const weighted = text + CONTEXT_WEIGHT * context;
        score += (rarity * weighted * (K1 + 1)) / (weighted + K1 * (1 - B + (B * length) / average));
      }
      return { seq, score };
    })
    .sort((one, other) => other.score - one.score || other.seq - one.seq)
    .map(({ seq }) => seq);
}
