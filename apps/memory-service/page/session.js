// The proof of who uses the page: kept in the sessionStorage of this tab, and gone with it.

const KEY = "memory.session";

/**
 * @typedef {object} Session
 * @property {string} key - a key of `memory.keys`, or the token of this start of the server
 * @property {string} [user] - the user for whom a key of a whole tenant acts
 */

/**
 * Returns the session of this tab. A token in the address begins one, and is taken off the address.
 *
 * @returns {Session | undefined}
 */
export function session() {
  const [, token] = /^#token=([\w-]+)$/.exec(location.hash) ?? [];
  if (token !== undefined) {
    begin({ key: token });
    history.replaceState(null, "", "#/memories");
  }
  const kept = sessionStorage.getItem(KEY);
  return kept === null ? undefined : /** @type {Session} */ (JSON.parse(kept));
}

/**
 * Begins a session.
 *
 * @param {Session} given
 */
export function begin(given) {
  sessionStorage.setItem(KEY, JSON.stringify(given));
}

/** Ends the session. */
export function end() {
  sessionStorage.removeItem(KEY);
}
