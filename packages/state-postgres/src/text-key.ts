import { createHash } from "node:crypto";

/** An entry of an index has room for about 2700 bytes; a key of two such texts stays below. */
const LONGEST = 250;

/**
 * A text as the database keeps it: PostgreSQL's text has no place for NUL, UTF-8 none for lone surrogates. No two
 * texts become the same.
 */
export function toText(text: string): string {
  return /[\\\0\p{Surrogate}]/u.test(text) ? text.replaceAll(/[\\\0\p{Surrogate}]/gu, escaped) : text;
}

/** The text that {@link toText} was given. */
export function fromText(kept: string): string {
  return kept.replaceAll(/\\([\da-f]{4})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
}

/** A JSON text as the database keeps it: as it is, but for one that it has no place for. */
export function toJsonText(json: string): string {
  // no JSON begins with a backslash
  return json.includes("\0") || json.startsWith("\\") || !json.isWellFormed() ? `\\${toText(json)}` : json;
}

/** The text that {@link toJsonText} was given. */
export function fromJsonText(kept: string): string {
  return kept.startsWith("\\") ? fromText(kept.slice(1)) : kept;
}

/** A text as part of an index, in which there is little room: of a long one its beginning and its hash. */
export function toKey(text: string): string {
  const kept = toText(text);
  if (kept.length <= LONGEST) return kept;
  // no text has "\#" after toText
  return `${toText(text.slice(0, 20))}\\#${createHash("sha256").update(kept).digest("hex")}`;
}

function escaped(character: string): string {
  return `\\${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
