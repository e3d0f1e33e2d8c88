const STOP_WORDS: ReadonlySet<string> = new Set(
  `a about after all also am an and any are as at be because been before being but by can could d did do does doing don
  for from had has have having he her here hers him his how i if in into is it its just ll m me more most my no nor not
  now of off on once only or other our out over own re s same she should so some such t than that the their them then
  there these they this those through to too under until up us ve very was we were what when where which while who whom
  why will with would you your`.split(/\s+/),
);

const MOST_WORDS = 32;

/** Returns the words of a text in lower case, in order, with repetitions. */
export function wordsOf(text: string): string[] {
  return (
    text
      .normalize("NFKC")
      .toLowerCase()
      .match(/[\p{L}\p{N}\p{M}]+/gu) ?? []
  );
}

/**
 * Returns the words to search for: without stop words, unless there are no others, without repetitions, at most 32.
 */
export function queryWords(query: string): string[] {
  const all = [...new Set(wordsOf(query))];
  const telling = all.filter((word) => !STOP_WORDS.has(word));
  return (telling.length === 0 ? all : telling).slice(0, MOST_WORDS);
}

/** Whether a query names a speaker: all words of the name occur in it. */
export function namesSpeaker(words: ReadonlySet<string>, speaker: string | undefined): boolean {
  const name = speaker === undefined ? [] : wordsOf(speaker);
  return name.length > 0 && name.every((word) => words.has(word));
}

/** Share of words that two texts have in common, from 0 to 1 (Jaccard). */
export function sharedWords(one: ReadonlySet<string>, other: ReadonlySet<string>): number {
  if (one.size === 0 || other.size === 0) return 0;
  const common = one.intersection(other).size;
  return common / (one.size + other.size - common);
}

/** Estimates the tokens of a text for a model: one for each four characters. */
export function tokensOf(text: string): number {
  return Math.ceil(text.length / 4);
}
