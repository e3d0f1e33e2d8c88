/** A module that cannot be imported. */
const size = JSON.parse("{ not json") as number;

export const count = (more: number): number => size + more;
