/** Side data that travels with a message: JSON-safe in durable and remote use, any value in process. */
export type Meta = Readonly<Record<string, unknown>>;

/** The meta of messages that were created without any. */
export const EMPTY_META: Meta = Object.freeze({});

/** Maximum nesting, the same as for durable payloads. Deeper values would overflow the stack of their readers. */
const MAX_DEPTH = 500;

/** Number of keys that an error shows of the path to a value that is nested too deep. */
const SHOWN_KEYS = 6;

/**
 * Returns a copy of `meta` with every plain object and array frozen at any depth. Branches of a trace then cannot see
 * one another's changes. Class instances (sessions, clients) stay as they are. A value that is already frozen
 * throughout is returned without a copy.
 *
 * @throws RangeError when it is nested more than 500 levels deep; names the path
 */
export function freezeMeta(meta: Meta): Meta {
  return frozenCopy(meta, new Map(), ["meta"]) as Meta;
}

/**
 * Returns a frozen copy of a chunk's data, as {@link freezeMeta} does, so that its writer may reuse the object.
 *
 * @throws RangeError when it is nested more than 500 levels deep; names the path
 */
export function freezeData(data: unknown): unknown {
  return frozenCopy(data, new Map(), ["data"]);
}

/** Returns a frozen copy of a principal, as {@link freezeMeta} does. */
export function freezePrincipal<Value extends object>(principal: Value): Value {
  return frozenCopy(principal, new Map(), ["principal"]) as Value;
}

function frozenCopy(value: unknown, seen: Map<object, unknown>, way: string[]): unknown {
  if (typeof value !== "object" || value === null) return value;
  const isArray = Array.isArray(value);
  if (!isArray) {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null) return value;
  }
  const known = seen.get(value);
  if (known !== undefined) return known;
  const depth = way.length - 1;
  if (isDeepFrozen(value, new Set(), depth)) return value;
  if (depth > MAX_DEPTH) throw tooDeep(way);
  const copy: Record<string, unknown> | unknown[] = isArray ? [] : {};
  seen.set(value, copy);
  for (const [key, item] of Object.entries(value)) {
    way.push(key);
    Object.defineProperty(copy, key, { value: frozenCopy(item, seen, way), enumerable: true });
    way.pop();
  }
  return Object.freeze(copy);
}

function tooDeep(way: readonly string[]): RangeError {
  const [root, ...keys] = way;
  const path = keys.slice(0, SHOWN_KEYS).map((key) => `[${JSON.stringify(key)}]`);
  return new RangeError(
    `Cannot keep ${root}: ${root}${path.join("")}… is nested more than ${MAX_DEPTH} levels deep; send less, or a reference to it`,
  );
}

function isDeepFrozen(value: unknown, seen: Set<object>, depth: number): boolean {
  if (typeof value !== "object" || value === null || seen.has(value)) return true;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null) return true;
  if (depth > MAX_DEPTH || !Object.isFrozen(value)) return false;
  seen.add(value);
  return Object.values(value).every((item) => isDeepFrozen(item, seen, depth + 1));
}
