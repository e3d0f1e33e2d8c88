declare const process: { readonly env: { readonly NODE_ENV?: string } };

/**
 * Whether this process runs in production. Read once and spelled in full, because bundlers replace
 * `process.env.NODE_ENV` by its value. Without a bundler, a runtime without `process` throws here.
 */
function isProduction(): boolean {
  try {
    return process.env.NODE_ENV === "production";
  } catch {
    return false;
  }
}

/**
 * Whether the objects made for every message are frozen. Development and tests freeze them, so that a stray write
 * throws. Production does not: freezing takes a fifth of a hop in a loop. See decision 7.
 */
export const FREEZES: boolean = !isProduction();

/** Freezes an object that is made for every message, except in production. */
export function freezeOutsideProduction<Value extends object>(value: Value): Readonly<Value> {
  return FREEZES ? Object.freeze(value) : value;
}
