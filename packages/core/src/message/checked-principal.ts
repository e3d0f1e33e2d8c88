import { jsonFault } from "../foundation/json.ts";
import { shown } from "../foundation/options.ts";
import { freezePrincipal } from "./meta.ts";
import type { Principal } from "./principal.ts";

/** Maximum length of a principal as JSON, in characters. */
const MAX_LENGTH = 16_384;

/**
 * Returns a frozen copy of a principal.
 *
 * @throws TypeError unless it is an object of JSON data of at most 16,384 characters
 */
export function checkedPrincipal(principal: Principal): Principal {
  if (typeof principal !== "object" || principal === null || Array.isArray(principal))
    throw new TypeError(`Header "principal" must be an object: got ${shown(principal)}`);
  const fault = jsonFault(principal, "principal", MAX_LENGTH);
  if (fault !== undefined)
    throw new TypeError(`Header "principal" must be JSON data: ${fault.path} is ${fault.problem}; pass plain data`);
  return freezePrincipal(principal);
}
