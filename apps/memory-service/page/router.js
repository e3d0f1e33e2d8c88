// Addresses behind `#`, which no browser sends to a server: what is asked and looked at stays out of its logs.

/**
 * @typedef {object} Place
 * @property {string} screen - "memories"
 * @property {string | undefined} id
 * @property {URLSearchParams} query
 */

/** @returns {Place} */
export function place() {
  const [path = "", query = ""] = location.hash.slice(1).split("?", 2);
  const [, screen = "", id] = path.split("/");
  return {
    screen: screen === "" ? "memories" : screen,
    id: id === undefined ? undefined : decodeURIComponent(id),
    query: new URLSearchParams(query),
  };
}

/**
 * Returns the address of a screen.
 *
 * @param {string} screen
 * @param {string} [id]
 */
export function addressOf(screen, id) {
  return `#/${screen}${id === undefined ? "" : `/${encodeURIComponent(id)}`}`;
}

/**
 * Notes the query of the screen in the address, so that it can be reloaded and gone back to.
 *
 * @param {URLSearchParams} query
 */
export function noteQuery(query) {
  const { screen, id } = place();
  const text = query.toString();
  history.replaceState(null, "", `${addressOf(screen, id)}${text === "" ? "" : `?${text}`}`);
}
