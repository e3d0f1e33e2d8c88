import { requireInteger, requireNumber } from "../foundation/options.ts";
import type { Retention } from "../ports/state-store.ts";

/** Names of the options by which a state store is told its limits. */
export const RETENTION_OPTIONS: readonly (keyof Retention)[] = [
  "maxAgeMs",
  "maxTraces",
  "maxEventsPerTrace",
  "maxBytes",
];

/**
 * Checks the limits of a state store.
 *
 * @throws TypeError, RangeError when a limit is no number or out of range
 */
export function requireRetention(retention: Retention): void {
  for (const name of RETENTION_OPTIONS) {
    const limit = retention[name];
    if (limit !== undefined) (name === "maxAgeMs" ? requireNumber : requireInteger)(name, limit, 1);
  }
}
