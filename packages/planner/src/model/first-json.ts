/** The first JSON object or list of a text, or what is wrong with it. */
export type FirstJson =
  | { readonly found: true; readonly value: unknown }
  | { readonly found: false; readonly problem: string };

/** The beginning of an object or list, and of no brace in prose. */
const START = { object: /\{\s*["}]/, any: /\{\s*["}]|\[\s*["{[\]\d-]/ };

/**
 * Finds the first balanced object of a text, or list where one may be. What stands around it, such as a fence of code,
 * is passed over. An object that is not JSON is a problem: a later one would be another.
 */
export function firstJson(text: string, kind: keyof typeof START): FirstJson {
  const start = text.search(START[kind]);
  if (start === -1) return { found: false, problem: "no JSON object was found in it" };
  const end = endOf(text, start);
  if (end === undefined) return { found: false, problem: "its JSON ends before it is closed" };
  try {
    return { found: true, value: JSON.parse(text.slice(start, end)) };
  } catch (error) {
    return { found: false, problem: `its JSON cannot be read (${(error as Error).message})` };
  }
}

/** Returns the position after the bracket that closes the one at `start`. Brackets in strings do not count. */
function endOf(text: string, start: number): number | undefined {
  let depth = 0;
  let inString = false;
  for (let at = start; at < text.length; at += 1) {
    const character = text[at];
    if (inString) {
      if (character === "\\") at += 1;
      else if (character === '"') inString = false;
    } else if (character === '"') inString = true;
    else if (character === "{" || character === "[") depth += 1;
    else if (character === "}" || character === "]") {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  return undefined;
}
