/** The runtime's assertion that the fields of an object are already checked and frozen. Internal. */
export const VOUCHED: unique symbol = Symbol("vouched");
