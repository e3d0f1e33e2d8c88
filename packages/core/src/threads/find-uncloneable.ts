/** The part of a value that prevents it from being sent to another thread. */
export interface Uncloneable {
  /** Path of the part, as in `payload.items[2].done`. */
  readonly path: string;
  /** Description of the part: `a function`, `a Promise`. */
  readonly found: string;
}

/** Maximum nesting that is searched. */
const MAX_DEPTH = 500;

/**
 * Finds the first, innermost part of `value` that structured clone refuses; `value` itself when no part is at fault.
 */
export function findUncloneable(value: unknown, path: string): Uncloneable {
  return search(value, path, new Set()) ?? { path, found: describe(value) };
}

function search(value: unknown, path: string, seen: Set<unknown>): Uncloneable | undefined {
  if (isCloneable(value) || seen.has(value)) return undefined;
  if (seen.size >= MAX_DEPTH)
    return { path: `${path.slice(0, 60)}…`, found: `nested more than ${MAX_DEPTH} levels deep` };
  seen.add(value);
  for (const [step, part] of partsOf(value)) {
    const inside = search(part, path + step, seen);
    if (inside !== undefined) return inside;
  }
  return { path, found: describe(value) };
}

/** Whether a value can be sent to another thread. */
export function isCloneable(value: unknown): boolean {
  try {
    structuredClone(value);
    return true;
  } catch {
    return false;
  }
}

/** Lists everything that is cloned with a value, each with the step that leads to it. */
function partsOf(value: unknown): Array<readonly [step: string, part: unknown]> {
  if (typeof value !== "object" || value === null) return [];
  try {
    if (Array.isArray(value)) return value.map((part: unknown, index) => [`[${index}]`, part]);
    if (value instanceof Map) {
      return [...value].flatMap(([key, part]: [unknown, unknown], index) => [
        [`.keys()[${index}]`, key],
        [`.get(${typeof key === "string" ? JSON.stringify(key) : describe(key)})`, part],
      ]);
    }
    if (value instanceof Set) return [...value].map((part: unknown, index) => [`.values()[${index}]`, part]);
    return Object.entries(value).map(([key, part]: [string, unknown]) => [stepTo(key), part]);
  } catch {
    // a getter throws: the value as a whole is at fault
    return [];
  }
}

const stepTo = (key: string): string =>
  /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;

function describe(value: unknown): string {
  if (typeof value === "function") return value.name === "" ? "a function" : `the function "${value.name}"`;
  if (typeof value !== "object" || value === null) return `the ${typeof value} ${String(value)}`;
  try {
    const name: unknown = value.constructor?.name;
    return typeof name === "string" && name !== "Object" && name !== ""
      ? `of class ${name}`
      : "an object that cannot be read";
  } catch {
    return "an object that cannot be read";
  }
}
