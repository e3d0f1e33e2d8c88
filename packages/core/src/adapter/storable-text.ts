/**
 * Encodes a text for a database: many have no NUL, and UTF-8 has no lone surrogates. Distinct texts stay distinct.
 */
export function toStorable(text: string): string {
  return /[\\\0\p{Surrogate}]/u.test(text) ? text.replaceAll(/[\\\0\p{Surrogate}]/gu, escaped) : text;
}

/** Decodes a text from {@link toStorable}. */
export function fromStorable(kept: string): string {
  return kept.replaceAll(/\\([\da-f]{4})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
}

function escaped(character: string): string {
  return `\\${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
