import type { Library } from "./library.ts";
import type { Block } from "./split-document.ts";
import { tokenise } from "./tokenise.ts";
import type { WeighedHit } from "./weigh.ts";

/** A sentence of a document, with its location. */
export interface Quote {
  readonly text: string;
  readonly hit: WeighedHit;
  readonly line: number;
}

const MAX_QUOTES = 5;
const LEAST_SHARE_OF_BEST = 0.3;
const SAME_SHARE_OF_TERMS = 0.7;
const MAX_LENGTH = 360;

/**
 * Selects the sentences that answer best, skips paraphrases, and orders them for reading: the passage with the best
 * sentence first, each passage from top to bottom.
 */
export function composeAnswer(hits: readonly WeighedHit[], library: Library): Quote[] {
  const bestWorth = hits[0]?.worth ?? 0;
  const candidates = hits.flatMap((hit) =>
    hit.passage.blocks.flatMap((block) =>
      sentencesOf(block).map((sentence) => {
        const terms = new Set(tokenise(sentence.text));
        const worth = worthOf(sentence.text, block.kind, terms, hit, library) * (0.5 + hit.worth / bestWorth / 2);
        return { ...sentence, hit, terms, worth };
      }),
    ),
  );
  const picked: typeof candidates = [];
  const byWorth = candidates.toSorted((a, b) => b.worth - a.worth);
  const leastWorth = (byWorth[0]?.worth ?? 0) * LEAST_SHARE_OF_BEST;
  for (const candidate of byWorth) {
    if (picked.length === MAX_QUOTES || candidate.worth <= 0 || candidate.worth < leastWorth) break;
    if (!picked.some((other) => saysTheSame(candidate.terms, other.terms))) picked.push(candidate);
  }
  const order = [...new Set(picked.map(({ hit }) => hit))];
  return picked
    .toSorted((a, b) => order.indexOf(a.hit) - order.indexOf(b.hit) || a.line - b.line)
    .map(({ text, hit, line }) => ({ text: shortened(text), hit, line }));
}

/** Scores a sentence by the share of the question it covers. Its headings count in part for all sentences below. */
function worthOf(text: string, kind: Block["kind"], terms: Set<string>, hit: WeighedHit, library: Library): number {
  const own = hit.terms.filter((term) => terms.has(term));
  if (own.length === 0) return 0;
  const headingTerms = new Set(tokenise(hit.passage.headings.join(" ")));
  const inherited = hit.terms.filter((term) => !terms.has(term) && headingTerms.has(term));
  const said = weight(own, library) + weight(inherited, library) * 0.4;
  // squared: one sentence with both terms beats two with one each
  let worth = said * said;
  if (kind === "code") worth *= 0.2;
  // questions do not answer, lead-ins say less than the text after them, fragments say little
  if (/\?["”)]*$/.test(text)) worth *= 0.2;
  if (text.endsWith(":")) worth *= 0.6;
  if (terms.size < 4) worth *= 0.5;
  return worth;
}

function weight(terms: readonly string[], library: Library): number {
  return terms.reduce((total, term) => total + library.weightOf(term), 0);
}

function saysTheSame(a: Set<string>, b: Set<string>): boolean {
  return a.intersection(b).size / Math.min(a.size, b.size) > SAME_SHARE_OF_TERMS;
}

const segmenter = new Intl.Segmenter("en", { granularity: "sentence" });

function sentencesOf(block: Block): { text: string; line: number }[] {
  if (block.kind === "code") {
    return block.text.split("\n").map((text, offset) => ({ text: text.trim(), line: block.line + offset }));
  }
  // a line break would end the sentence; a space of the same length keeps the offsets
  return Array.from(segmenter.segment(block.text.replaceAll("\n", " ")), ({ segment, index }) => {
    const start = index + (segment.length - segment.trimStart().length);
    const linesAbove = block.text.slice(0, start).split("\n").length - 1;
    return { text: segment.trim().replaceAll(/\s+/g, " "), line: block.line + linesAbove };
  });
}

function shortened(text: string): string {
  if (text.length <= MAX_LENGTH) return text;
  const space = text.lastIndexOf(" ", MAX_LENGTH);
  return `${text.slice(0, space > 0 ? space : MAX_LENGTH)} …`;
}
