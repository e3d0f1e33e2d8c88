/** Returns the number of entries of an array or object; -1 for a value without any. */
export function sizeOf(value: unknown): number {
  if (Array.isArray(value)) return value.length;
  return typeof value === "object" && value !== null ? Object.keys(value).length : -1;
}

/** Returns the first entries of an array or object. */
export function entriesOf(value: unknown, most: number): [name: string, value: unknown][] {
  if (Array.isArray(value)) return value.slice(0, most).map((item: unknown, index) => [String(index), item]);
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).slice(0, most);
}

/** Writes a value without entries as JSON does; an absent one as `undefined`. */
export function textOfLeaf(value: unknown): string {
  return JSON.stringify(value) ?? "undefined";
}
