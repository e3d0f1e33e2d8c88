import { createHash } from "node:crypto";

/** Maximum length of an indexed text: an index entry has about 2700 bytes, and a key of two such texts fits. */
const LONGEST = 250;

/**
 * Encodes a text for the database: PostgreSQL's text has no NUL, UTF-8 no lone surrogates. Distinct texts stay
 * distinct.
 */
export function toText(text: string): string {
  return /[\\\0\p{Surrogate}]/u.test(text) ? text.replaceAll(/[\\\0\p{Surrogate}]/gu, escaped) : text;
}

/** Decodes a text from {@link toText}. */
export function fromText(kept: string): string {
  return kept.replaceAll(/\\([\da-f]{4})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
}

/** Encodes a JSON text for the database: unchanged, unless the database cannot represent it. */
export function toJsonText(json: string): string {
  // JSON never begins with a backslash, so the prefix marks an encoded text
  return json.includes("\0") || json.startsWith("\\") || !json.isWellFormed() ? `\\${toText(json)}` : json;
}

/** Decodes a text from {@link toJsonText}. */
export function fromJsonText(kept: string): string {
  return kept.startsWith("\\") ? fromText(kept.slice(1)) : kept;
}

/** Shortens a text for an index, whose entries are small: a long one becomes its beginning and its hash. */
export function toKey(text: string): string {
  const kept = toText(text);
  if (kept.length <= LONGEST) return kept;
  // toText never produces "\#", so the separator is unambiguous
  return `${toText(text.slice(0, 20))}\\#${createHash("sha256").update(kept).digest("hex")}`;
}

function escaped(character: string): string {
  return `\\${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
