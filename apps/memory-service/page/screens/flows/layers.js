/**
 * Returns the layer of each node: one more than the highest layer before it. An edge that closes a circle counts for
 * nothing.
 *
 * @param {readonly string[]} names
 * @param {readonly { readonly from: string, readonly to: string }[]} edges
 * @returns {ReadonlyMap<string, number>}
 */
export function layersOf(names, edges) {
  /** @type {Map<string, number>} */
  const layers = new Map();
  /** @type {(name: string, path: readonly string[]) => number} */
  const layerOf = (name, path) => {
    const known = layers.get(name);
    if (known !== undefined) return known;
    const before = edges.filter(({ from, to }) => to === name && from !== name && !path.includes(from));
    const layer = Math.max(-1, ...before.map(({ from }) => layerOf(from, [...path, name]))) + 1;
    layers.set(name, layer);
    return layer;
  };
  for (const name of names) layerOf(name, []);
  return layers;
}
