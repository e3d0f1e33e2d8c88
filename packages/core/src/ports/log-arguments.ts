import { jsonFault } from "../foundation/json.ts";
import { requireInteger, shown } from "../foundation/options.ts";
import type { LogKey, LogRange } from "./log.ts";

/**
 * Checks the arguments of `Log.append`; returns each item as JSON text.
 *
 * @throws TypeError, RangeError
 */
export function requireLogAppend(key: LogKey, at: number, items: readonly unknown[]): string[] {
  requireLogKey(key);
  requireInteger("at", at, 0);
  if (!Array.isArray(items)) throw new TypeError(`The items of a log must be an array: got ${shown(items)}`);
  const fault = jsonFault(items, "items");
  if (fault !== undefined)
    throw new TypeError(`Cannot append to log "${key.name}": ${fault.path} is ${fault.problem}; expected JSON data`);
  return items.map((item) => JSON.stringify(item));
}

/**
 * Checks the arguments of `Log.read`; returns its range with defaults.
 *
 * @throws TypeError, RangeError
 */
export function requireLogRange(
  key: LogKey,
  { from = 0, limit = 1000 }: LogRange,
): { readonly from: number; readonly limit: number } {
  requireLogKey(key);
  requireInteger("from", from, 0);
  requireInteger("limit", limit, 1);
  return { from, limit };
}

/**
 * Checks the arguments of `Log.trim`.
 *
 * @throws TypeError, RangeError
 */
export function requireLogTrim(key: LogKey, before: number): void {
  requireLogKey(key);
  requireInteger("before", before, 0);
}

function requireLogKey(key: LogKey): void {
  const { tenant, name } = (key ?? {}) as Partial<LogKey>;
  if (typeof tenant !== "string" || typeof name !== "string")
    throw new TypeError(`The key of a log must be { tenant, name }: got ${shown(key)}`);
}
