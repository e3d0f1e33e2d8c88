/** Whether two values have the same entries at any depth; class instances must be identical. */
export function isSame(before: unknown, after: unknown, seen = new Set<unknown>()): boolean {
  if (Object.is(before, after) || seen.has(before)) return true;
  if (!isPlain(before) || !isPlain(after) || Array.isArray(before) !== Array.isArray(after)) return false;
  seen.add(before);
  const keys = Object.keys(before);
  return (
    keys.length === Object.keys(after).length &&
    keys.every((key) => Object.hasOwn(after, key) && isSame(before[key], after[key], seen))
  );
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value) as { readonly constructor?: { readonly name?: string } } | null;
  const name = prototype?.constructor?.name;
  return name === undefined || name === "Object" || name === "Array" || name === "CheckedHeaders";
}

/** Formats a value for an assertion message. */
export function written(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return "a value that JSON cannot hold";
  }
}
