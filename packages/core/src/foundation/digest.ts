import { fnv1a } from "./fnv.ts";

/** Maximum nesting. A deeper value, or one that contains itself, would overflow the stack. */
const MAX_DEPTH = 500;

/** Multiplier of the second hash. Two hashes with one multiplier would share their low bits. */
const SECOND_MULTIPLIER = 0x9e3779b1;

/**
 * Returns a digest of data: length and two 32-bit hashes of its text. Equal data have equal digests, whatever the order
 * of the keys of their objects; a property that is `undefined` counts as absent. Not for secrets: anyone can make data
 * of a given digest.
 *
 * @throws TypeError when a part of the value is a function, a symbol, or nested too deep
 */
export function digestOf(value: unknown): string {
  const text = textOf(value, 0);
  let second = 0;
  for (let index = 0; index < text.length; index += 1)
    second = Math.imul(second + text.charCodeAt(index) + 1, SECOND_MULTIPLIER) ^ (second >>> 15);
  return [text.length, fnv1a(text) >>> 0, second >>> 0].map((part) => part.toString(36)).join("-");
}

function textOf(value: unknown, depth: number): string {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value);
    case "number":
      return Object.is(value, -0) ? "-0" : String(value);
    case "boolean":
    case "undefined":
      return String(value);
    case "bigint":
      return `${value}n`;
    case "object":
      return value === null ? "null" : textOfObject(value, depth + 1);
    case "function":
    case "symbol":
      throw new TypeError(`a part of it is a ${typeof value}`);
  }
}

function textOfObject(value: object, depth: number): string {
  if (depth > MAX_DEPTH) throw new TypeError(`it is nested more than ${MAX_DEPTH} levels deep, or contains itself`);
  const listOf = (items: Iterable<unknown>): string => `[${Array.from(items, (item) => textOf(item, depth)).join()}]`;
  if (Array.isArray(value)) return listOf(value);
  if (value instanceof Date) return `Date ${value.getTime()}`;
  if (value instanceof Map || value instanceof Set) return `${value instanceof Map ? "Map" : "Set"} ${listOf(value)}`;
  if (value instanceof Uint8Array) return `bytes ${value.join()}`;
  const parts: string[] = [];
  for (const key of Object.keys(value).sort()) {
    const item = (value as Readonly<Record<string, unknown>>)[key];
    if (item !== undefined) parts.push(`${JSON.stringify(key)}:${textOf(item, depth)}`);
  }
  return `{${parts.join()}}`;
}
