/**
 * Throws unless `value` is a whole number of `least` or more. Each error names the option, the wanted and the given
 * value.
 */
export function requireInteger(name: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  throw wrongNumber(name, `a whole number of ${least} or more`, value);
}

/** Throws unless `value` is a finite number of `least` or more. */
export function requireNumber(name: string, value: number, least: number): void {
  if (typeof value === "number" && Number.isFinite(value) && value >= least) return;
  throw wrongNumber(name, `a number of ${least} or more`, value);
}

/** Throws unless `options` is an object whose keys are all among `known`, so that misspelt options do not pass silently. */
export function requireKnownKeys(what: string, options: object, known: readonly string[]): void {
  requireOptions(what, options);
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) {
      throw new TypeError(
        `Unknown option "${key}" of ${what}: expected one of ${known.map((name) => `"${name}"`).join(", ")}`,
      );
    }
  }
}

/** Throws unless `options` can have options as its properties. */
export function requireOptions(what: string, options: unknown): void {
  if (typeof options === "object" && options !== null) return;
  throw new TypeError(`The options of ${what} must be an object: got ${shown(options)}`);
}

/** Throws unless `value` is a string that is not empty. */
export function requireText(name: string, value: unknown): void {
  if (typeof value === "string" && value !== "") return;
  throw new TypeError(`Option "${name}" must be a non-empty string: got ${shown(value)}`);
}

/** Throws unless `value` is an `AbortSignal`, of whatever realm or library. */
export function requireSignal(name: string, value: unknown): void {
  const { aborted, addEventListener } = (value ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof aborted === "boolean" && typeof addEventListener === "function") return;
  throw new TypeError(`Option "${name}" must be an AbortSignal: got ${shown(value)}`);
}

/** Throws unless `value` is one of `allowed`. */
export function requireOneOf(name: string, value: unknown, allowed: readonly string[]): void {
  if (typeof value === "string" && allowed.includes(value)) return;
  const wanted = allowed.map((item) => `"${item}"`).join(", ");
  throw new TypeError(`Option "${name}" must be one of ${wanted}: got ${shown(value)}`);
}

/** Throws unless `value` is a function. */
export function requireFunction(name: string, value: unknown): void {
  if (typeof value !== "function") throw new TypeError(`Option "${name}" must be a function: got ${shown(value)}`);
}

/** Throws unless `value` is `true` or `false`. */
export function requireBoolean(name: string, value: unknown): void {
  if (typeof value !== "boolean") throw new TypeError(`Option "${name}" must be true or false: got ${shown(value)}`);
}

/** Throws unless `value` is an object, and no array. */
export function requireObject(name: string, value: unknown): void {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new TypeError(`Option "${name}" must be an object: got ${shown(value)}`);
}

/** Throws unless `value` has these methods: it implements a port. */
export function requireMethods(name: string, value: unknown, methods: readonly string[]): void {
  const found = (value ?? {}) as Readonly<Record<string, unknown>>;
  const missing = methods.filter((method) => typeof found[method] !== "function");
  if (missing.length === 0) return;
  const given = typeof value === "object" && value !== null ? ` without ${missing.join(", ")}` : "";
  throw new TypeError(
    `Option "${name}" must be an object with the methods ${methods.join(", ")}: got ${shown(value)}${given}`,
  );
}

/** Throws unless `value` is absent or names a tenant. */
export function requireTenant(value: unknown): void {
  if (value !== undefined) requireText("tenant", value);
}

/** Returns the name of a node that is given itself or by its name. Throws for any other value. */
export function nameOfNode(option: string, value: unknown): string {
  if (typeof value === "string") return value;
  const name = (value as { readonly name?: unknown } | null | undefined)?.name;
  if (typeof value === "object" && typeof name === "string") return name;
  throw new TypeError(`Option "${option}" must be a node or its name: got ${shown(value)}`);
}

/** Formats a value for an error message. */
export function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "an array" : "an object";
  if (typeof value === "function") return value.name === "" ? "a function" : `the function "${value.name}"`;
  return typeof value === "bigint" ? `${value}n` : String(value);
}

function wrongNumber(name: string, wanted: string, value: unknown): Error {
  const text = `Option "${name}" must be ${wanted}: got ${typeof value === "number" ? value : shown(value)}`;
  return typeof value === "number" ? new RangeError(text) : new TypeError(text);
}
