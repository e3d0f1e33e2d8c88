/** Ends of sentences and lines: a part ends after one. */
const SENTENCE_END = /[.!?…。！？]["'”’)\]]*\s+|\n+/gu;

/**
 * Splits text into parts of at most `most` UTF-16 units, each ending at the end of a sentence, else at a space, else
 * between two characters. Joined, the parts are the text.
 */
export function splitSentences(text: string, most: number): string[] {
  const parts: string[] = [];
  let rest = text;
  while (rest.length > most) {
    const end = lastEnd(rest, most);
    parts.push(rest.slice(0, end));
    rest = rest.slice(end);
  }
  if (rest.trim() === "" && parts.length > 0) parts.push((parts.pop() ?? "") + rest);
  else parts.push(rest);
  return parts;
}

function lastEnd(text: string, most: number): number {
  let found = 0;
  for (const { index, 0: end } of text.slice(0, most).matchAll(SENTENCE_END)) {
    if (text.slice(0, index).trim() !== "") found = index + end.length;
  }
  if (found > 0) return found;
  const space = text.lastIndexOf(" ", most - 1) + 1;
  if (text.slice(0, space).trim() !== "") return space;
  const unit = text.charCodeAt(most - 1);
  // a surrogate pair is one character
  return unit >= 0xd800 && unit < 0xdc00 ? most - 1 : most;
}
