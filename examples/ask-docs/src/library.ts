import MiniSearch, { type SearchOptions } from "minisearch";
import type { Passage } from "./split-document.ts";
import { type PassageTerms, tokenisePassage } from "./tokenise.ts";

/** A passage that a search found. */
export interface Hit {
  readonly passage: Passage;
  /** BM25+ score: comparable within one library, without a fixed scale. */
  readonly score: number;
  /** Terms of the question that the passage has, exactly or in a near spelling. */
  readonly questionTerms: readonly string[];
  /** Matched terms as the passage spells them. */
  readonly terms: readonly string[];
}

/** A search query. */
export interface Search {
  /** Terms of the question. */
  readonly terms: readonly string[];
  /** Further terms, which count less. */
  readonly related: readonly string[];
  /** Whether words that share a term's prefix, or differ from it by a letter, match as well. */
  readonly nearSpellings: boolean;
}

const MAX_PASSAGES = 100_000;
const MAX_HITS = 30;
const RELATED_BOOST = 0.25;
const split = (text: string) => text.split(" ");

/** The passages of a folder, with their index. */
export class Library {
  readonly #passages: Passage[] = [];
  readonly #passagesWith = new Map<string, number>();
  readonly #index = new MiniSearch<PassageTerms & { id: number }>({
    fields: ["heading", "prose", "code"],
    // a node of the flow tokenises, so the index takes terms as they are
    stringifyField: (terms: readonly string[]) => terms.join(" "),
    tokenize: split,
    processTerm: (term) => term,
    searchOptions: { boost: { heading: 1.5, prose: 1, code: 0.4 } },
  });

  /** Number of passages. */
  get size(): number {
    return this.#passages.length;
  }

  /**
   * Adds the passages of a document: all or none.
   *
   * @throws RangeError when there would be too many to keep in memory
   */
  add(passages: readonly PassageTerms[]): void {
    if (this.size + passages.length > MAX_PASSAGES) {
      throw new RangeError(`the index is full: it holds ${this.size} of ${MAX_PASSAGES} passages`);
    }
    for (const entry of passages) {
      this.#index.add({ ...entry, id: this.#passages.length });
      this.#passages.push(entry.passage);
      for (const term of termsOf(entry)) this.#passagesWith.set(term, (this.#passagesWith.get(term) ?? 0) + 1);
    }
  }

  /** Finds the best passages, the best first. The same search over the same files returns the same hits. */
  search({ terms, related, nearSpellings }: Search): Hit[] {
    const asked = new Set(terms);
    const options: SearchOptions = {
      boostTerm: (term) => (asked.has(term) ? 1 : RELATED_BOOST),
      prefix: (term) => nearSpellings && asked.has(term) && term.length >= 4,
      fuzzy: (term) => nearSpellings && asked.has(term) && term.length >= 5 && 0.2,
    };
    return this.#index
      .search([...terms, ...related].join(" "), options)
      .map((found) => ({
        passage: this.#passages[found.id as number] as Passage,
        score: found.score,
        questionTerms: found.queryTerms.filter((term) => asked.has(term)),
        terms: found.terms,
      }))
      .toSorted(byRank)
      .slice(0, MAX_HITS);
  }

  /** Weight of a term: near 0 for one in every passage, highest for one in none. */
  weightOf(term: string): number {
    const having = this.#passagesWith.get(term) ?? 0;
    return Math.log(1 + (this.size - having + 0.5) / (having + 0.5));
  }

  /** Selects the terms that distinguish these hits from other passages, the most distinctive first. */
  tellingTerms(hits: readonly Hit[], count: number): string[] {
    const weights = new Map<string, number>();
    for (const { passage } of hits) {
      for (const term of new Set(tokenisePassage(passage).prose)) {
        // a term of one passage leads nowhere; fragments and numbers lead anywhere
        const isShared = (this.#passagesWith.get(term) ?? 0) > 1;
        if (isShared && /\p{L}{3}/u.test(term)) weights.set(term, (weights.get(term) ?? 0) + this.weightOf(term));
      }
    }
    const byWeight = [...weights].toSorted(([a, left], [b, right]) => right - left || (a < b ? -1 : 1));
    return byWeight.slice(0, count).map(([term]) => term);
  }

  /** Title of the folder: the first heading of its README, or else of any document. */
  get title(): string | undefined {
    const titled = this.#passages.filter(({ headings }) => headings.length > 0);
    const [first] = titled.toSorted((a, b) => rankAsTitle(a) - rankAsTitle(b) || byPlace(a, b));
    return first?.headings[0];
  }
}

/** Orders hits by score; of equals, the one that comes first in the folder. */
function byRank(a: Hit, b: Hit): number {
  return b.score - a.score || byPlace(a.passage, b.passage);
}

function byPlace(a: Passage, b: Passage): number {
  if (a.file !== b.file) return a.file < b.file ? -1 : 1;
  return a.startLine - b.startLine;
}

function rankAsTitle({ file }: Passage): number {
  return (/(?:^|\/)readme\.[a-z]+$/i.test(file) ? 0 : 100) + file.split("/").length;
}

function termsOf({ heading, prose, code }: PassageTerms): Set<string> {
  return new Set([...heading, ...prose, ...code]);
}
