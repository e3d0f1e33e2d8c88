import { stemmer } from "stemmer";
import type { Passage } from "./split-document.ts";

/** A passage with its search terms, field by field. */
export interface PassageTerms {
  readonly passage: Passage;
  readonly heading: readonly string[];
  readonly prose: readonly string[];
  readonly code: readonly string[];
}

/** Tokenises a passage. */
export function tokenisePassage(passage: Passage): PassageTerms {
  const termsOf = (kind: "prose" | "code") =>
    passage.blocks.filter((block) => block.kind === kind).flatMap((block) => tokenise(block.text));
  return { passage, heading: tokenise(passage.headings.join("\n")), prose: termsOf("prose"), code: termsOf("code") };
}

/**
 * Splits a text into terms, in order: lower-case word stems. A name in camel case yields the whole and its parts.
 * Unicode rules split scripts written without spaces.
 */
export function tokenise(text: string): string[] {
  return wordsOf(text).flatMap((word) => {
    const parts = word.split(CASE_CHANGE);
    return (parts.length > 1 ? [word, ...parts] : parts).map((part) =>
      stemmer(part.slice(0, TERM_LENGTH).toLowerCase()),
    );
  });
}

/** Selects the content words of a question, each once; all its words when it has function words only. */
export function keywords(question: string): string[] {
  const words = [...new Map(wordsOf(question).map((word) => [word.toLowerCase(), word])).values()];
  const telling = words.filter((word) => !SMALL_WORDS.has(word.toLowerCase()));
  return telling.length > 0 ? telling : words;
}

/** Longer tokens are data rather than words; a prefix of this length tells them apart. */
const TERM_LENGTH = 64;
const WORD = /[\p{L}\p{N}\p{M}]+(?:['’]\p{L}+)?/gu;
const CASE_CHANGE = /(?<=[\p{Ll}\p{N}])(?=\p{Lu})|(?<=\p{Lu})(?=\p{Lu}\p{Ll})/u;
const UNSPACED = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}\p{sc=Khmer}\p{sc=Lao}\p{sc=Myanmar}]/u;
const segmenter = new Intl.Segmenter("und", { granularity: "word" });

function wordsOf(text: string): string[] {
  const words = text.normalize("NFKC").match(WORD) ?? [];
  return words.flatMap((word) => {
    if (UNSPACED.test(word)) return Array.from(segmenter.segment(word), ({ segment }) => segment);
    return word.replace(/['’]s$/i, "");
  });
}

const SMALL_WORDS = new Set(
  `a about all also am an and any anybody anything are as at be been being but by can could did do does doing each
  explain find for from get give gives had happen happened happening happens has have having he her here him his how i
  if in into is it its itself kind kinds know let like made make makes may me mean means might mine more most much must
  my need no not of on one or other our ours out over please shall she should show so some somebody something such tell
  than that the their theirs them then there these they this those to too under up us use used uses using very want
  wants was way we were what when where whether which while who whom whose why will with work works would you your
  yours`.split(/\s+/),
);
