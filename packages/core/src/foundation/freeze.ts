declare const process: { readonly env: { readonly NODE_ENV?: string } };

/**
 * Whether this process runs in production. Read once, and spelled in full: bundlers replace `process.env.NODE_ENV` by
 * its value, which leaves nothing that a browser lacks. Without a bundler, a runtime without `process` throws here.
 */
function isProduction(): boolean {
  try {
    return process.env.NODE_ENV === "production";
  } catch {
    return false;
  }
}

/**
 * Whether the objects that are made for every message are frozen: in development and tests, where a stray write must
 * throw, and not in production, where freezing is a fifth of a hop in a loop. See decision 7.
 */
export const FREEZES: boolean = !isProduction();

/** Freezes an object that is made for every message, unless this is production. */
export function freezeOutsideProduction<Value extends object>(value: Value): Readonly<Value> {
  return FREEZES ? Object.freeze(value) : value;
}
