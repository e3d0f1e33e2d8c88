import { createHash } from "node:crypto";
import { fromStorable, toStorable } from "penguiflow/adapter";

/** Maximum length of an indexed text: an index entry has about 2700 bytes, and a key of two such texts fits. */
const LONGEST = 250;

/** Encodes a JSON text for the database: unchanged, unless the database cannot represent it. */
export function toJsonText(json: string): string {
  // JSON never begins with a backslash, so the prefix marks an encoded text
  return json.includes("\0") || json.startsWith("\\") || !json.isWellFormed() ? `\\${toStorable(json)}` : json;
}

/** Decodes a text from {@link toJsonText}. */
export function fromJsonText(kept: string): string {
  return kept.startsWith("\\") ? fromStorable(kept.slice(1)) : kept;
}

/** Shortens a text for an index, whose entries are small: a long one becomes its beginning and its hash. */
export function toKey(text: string): string {
  const kept = toStorable(text);
  if (kept.length <= LONGEST) return kept;
  // toStorable never produces "\#", so the separator is unambiguous
  return `${toStorable(text.slice(0, 20))}\\#${createHash("sha256").update(kept).digest("hex")}`;
}
