/** The runtime's word that what an object is made from was checked and frozen before. Internal. */
export const VOUCHED: unique symbol = Symbol("vouched");
