/** Side data that travels with a message: JSON-safe in durable and remote use, anything in process. */
export type Meta = Readonly<Record<string, unknown>>;

/** The meta of messages that were given none. */
export const EMPTY_META: Meta = Object.freeze({});

/**
 * A copy of `meta` in which every plain object and array is frozen, however deep, so that branches
 * of a trace cannot see one another's changes. Class instances (sessions, clients) stay as they are.
 * What is already frozen throughout is returned without a copy.
 */
export function freezeMeta(meta: Meta): Meta {
  return frozenCopy(meta, new Map()) as Meta;
}

function frozenCopy(value: unknown, seen: Map<object, unknown>): unknown {
  if (typeof value !== "object" || value === null) return value;
  const isArray = Array.isArray(value);
  if (!isArray) {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null) return value;
  }
  const known = seen.get(value);
  if (known !== undefined) return known;
  if (isDeepFrozen(value, new Set())) return value;
  const copy: Record<string, unknown> | unknown[] = isArray ? [] : {};
  seen.set(value, copy);
  for (const [key, item] of Object.entries(value)) {
    Object.defineProperty(copy, key, { value: frozenCopy(item, seen), enumerable: true });
  }
  return Object.freeze(copy);
}

function isDeepFrozen(value: unknown, seen: Set<object>): boolean {
  if (typeof value !== "object" || value === null || seen.has(value)) return true;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null) return true;
  if (!Object.isFrozen(value)) return false;
  seen.add(value);
  return Object.values(value).every((item) => isDeepFrozen(item, seen));
}
