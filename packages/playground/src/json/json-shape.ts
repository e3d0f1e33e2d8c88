/** Most entries of an array or object that are shown at once. */
export const ENTRIES_SHOWN = 100;
/** Most characters of a string that are shown at once. */
export const CHARACTERS_SHOWN = 1200;

/** Kind of a JSON value, which decides its colour. */
export type JsonKind = "string" | "number" | "boolean" | "null" | "array" | "object" | "other";

/** Returns the kind of a value. */
export function kindOf(value: unknown): JsonKind {
  if (value === null || value === undefined) return "null";
  if (Array.isArray(value)) return "array";
  const type = typeof value;
  return type === "string" || type === "number" || type === "boolean" || type === "object" ? type : "other";
}

/** Lists the entries of an array or object; of another value none. */
export function entriesOf(value: unknown): ReadonlyArray<readonly [key: string, value: unknown]> {
  if (typeof value !== "object" || value === null) return [];
  return Array.isArray(value) ? value.map((item: unknown, index) => [String(index), item]) : Object.entries(value);
}

/** Writes a value in one line, shortened to a number of characters. */
export function oneLine(value: unknown, length = 120): string {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "undefined");
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}

/** Writes a value in several lines. */
export function pretty(value: unknown): string {
  return JSON.stringify(value, null, 2) ?? "";
}

/** A value that differs between two versions. */
export interface Change {
  /** `items.0.price`; "" for the whole value. */
  readonly path: string;
  readonly before: unknown;
  readonly after: unknown;
}

/** Lists the leaves in which two JSON values differ. */
export function changesBetween(before: unknown, after: unknown, path = ""): Change[] {
  if (Object.is(before, after)) return [];
  const isComparable = kindOf(before) === kindOf(after) && ["object", "array"].includes(kindOf(before));
  if (!isComparable) return [{ path, before, after }];
  const old = new Map(entriesOf(before));
  const fresh = new Map(entriesOf(after));
  return [...new Set([...old.keys(), ...fresh.keys()])].flatMap((key) =>
    changesBetween(old.get(key), fresh.get(key), path === "" ? key : `${path}.${key}`),
  );
}
