import type { Random } from "./random.ts";

/** Gives ids that are unique in the process and, by their random prefix, in all likelihood everywhere. */
export type IdSource = () => string;

/** Makes an {@link IdSource}: a prefix of 64 random bits, then a counter, both in base 36. */
export function createIdSource(random: Random): IdSource {
  let prefix = "";
  while (prefix.length < 12)
    prefix += Math.floor(random() * 2_176_782_336)
      .toString(36)
      .padStart(6, "0");
  let count = 0;
  return () => `${prefix}-${(count++).toString(36)}`;
}

/** The id source for messages that are made outside a flow. */
export const newId: IdSource = createIdSource(Math.random);
