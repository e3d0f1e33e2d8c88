/** Returns the name that a misspelt one probably means, if any is near. */
function nearest(word: string, names: readonly string[]): string | undefined {
  const allowed = Math.max(1, Math.floor(word.length / 3));
  let best: string | undefined;
  let least = allowed + 1;
  for (const name of names) {
    const steps = name.startsWith(word) && word.length > 1 ? 1 : distance(word, name);
    if (steps < least) [best, least] = [name, steps];
  }
  return best;
}

/** Returns the number of letters to insert, remove or replace (Levenshtein's distance). */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (const [index, letter] of one.split("").entries()) {
    const next = [index + 1];
    for (let at = 0; at < other.length; at += 1)
      next.push(Math.min(row[at + 1]! + 1, next[at]! + 1, row[at]! + (letter === other[at] ? 0 : 1)));
    row = next;
  }
  return row.at(-1)!;
}

/** Returns `; did you mean "name"?`, or nothing. */
export function meant(word: string, names: readonly string[]): string {
  const name = nearest(word, names);
  return name === undefined ? "" : `; did you mean "${name}"?`;
}
