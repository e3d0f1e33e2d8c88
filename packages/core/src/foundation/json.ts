/** The first part of a value that JSON cannot carry. */
export interface JsonFault {
  /** Path of the part: `data.user.tags[2]`. */
  readonly path: string;
  /** Description of the part. */
  readonly problem: string;
  /** Whether the value is JSON, but longer than allowed. */
  readonly isTooLong: boolean;
}

/** Maximum nesting, the same as for meta. Deeper values would overflow the stack of their readers. */
const MAX_DEPTH = 500;

/** Number of keys that a path shows. */
const SHOWN_KEYS = 8;

interface Fault {
  readonly problem: string;
  readonly isTooLong: boolean;
  /** Keys of the path, innermost first. */
  readonly keys: string[];
}

/**
 * Finds the first part of a value that its JSON text would lose or change. Properties that are `undefined` are allowed:
 * JSON omits them. A value that contains itself counts as nested too deep.
 *
 * @param root - the start of the path
 * @param maxLength - maximum length of the JSON text in characters, roughly: escapes are not counted
 */
export function jsonFault(
  value: unknown,
  root: string,
  maxLength: number = Number.POSITIVE_INFINITY,
): JsonFault | undefined {
  const found = faultIn(value, { room: maxLength }, 0);
  if (found === undefined) return undefined;
  const { problem, isTooLong, keys } = found;
  if (isTooLong) return { path: root, problem: `more than ${maxLength} characters as JSON`, isTooLong };
  const shown = keys.reverse().slice(0, SHOWN_KEYS).join("");
  return { path: `${root}${shown}${keys.length > SHOWN_KEYS ? "…" : ""}`, problem, isTooLong };
}

function faultIn(value: unknown, size: { room: number }, depth: number): Fault | undefined {
  switch (typeof value) {
    case "string":
      return taken(size, value.length + 2);
    case "boolean":
      return taken(size, 4);
    case "number":
      return Number.isFinite(value) ? taken(size, String(value).length) : fault(String(value));
    case "object":
      return value === null ? taken(size, 4) : faultInside(value, size, depth);
    case "undefined":
      return fault("undefined");
    case "function":
    case "symbol":
    case "bigint":
      return fault(`a ${typeof value}`);
  }
}

function faultInside(value: object, size: { room: number }, depth: number): Fault | undefined {
  if (depth > MAX_DEPTH) return fault(`nested more than ${MAX_DEPTH} levels deep, or contains itself`);
  if (Array.isArray(value)) {
    const list = value as readonly unknown[];
    // a hole reads as undefined
    for (let index = 0; index < list.length; index += 1) {
      const found = taken(size, 1) ?? faultIn(list[index], size, depth + 1);
      if (found !== undefined) return under(`[${index}]`, found);
    }
    return taken(size, 2);
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null)
    return fault(
      `an object of class ${(value.constructor as { readonly name?: string } | undefined)?.name ?? "unknown"}`,
    );
  for (const [key, item] of Object.entries(value)) {
    if (item === undefined) continue;
    const found = taken(size, key.length + 4) ?? faultIn(item, size, depth + 1);
    if (found !== undefined)
      return under(/^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`, found);
  }
  return taken(size, 2);
}

function fault(problem: string): Fault {
  return { problem, isTooLong: false, keys: [] };
}

function taken(size: { room: number }, length: number): Fault | undefined {
  size.room -= length;
  return size.room < 0 ? { problem: "", isTooLong: true, keys: [] } : undefined;
}

function under(key: string, found: Fault): Fault {
  found.keys.push(key);
  return found;
}
