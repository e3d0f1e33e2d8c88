/**
 * A text as the database keeps it: UTF-8 has no place for lone surrogates, and SQLite's own functions end a text at NUL.
 * No two texts become the same.
 */
export function toText(text: string): string {
  return /[\\\0\p{Surrogate}]/u.test(text) ? text.replaceAll(/[\\\0\p{Surrogate}]/gu, escaped) : text;
}

/** The text that {@link toText} was given. */
export function fromText(kept: string): string {
  return kept.replaceAll(/\\([\da-f]{4})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
}

function escaped(character: string): string {
  return `\\${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
