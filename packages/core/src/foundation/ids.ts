import type { Random } from "./random.ts";

/** Gives ids that are unique in the process and, by their random prefix, in all likelihood everywhere. */
export type IdSource = () => string;

/** All pairs of digits in base 36: ids are made often enough for the conversion of the counter to show. */
const ENDINGS: readonly string[] = Array.from({ length: 36 * 36 }, (_, index) => index.toString(36).padStart(2, "0"));

/** Makes an {@link IdSource}: a prefix of 64 random bits, then a counter, both in base 36. */
export function createIdSource(random: Random): IdSource {
  let prefix = "";
  while (prefix.length < 12)
    prefix += Math.floor(random() * 2_176_782_336)
      .toString(36)
      .padStart(6, "0");
  let count = 0;
  let block = "";
  return () => {
    const low = count % ENDINGS.length;
    if (low === 0) block = `${prefix}-${(count / ENDINGS.length).toString(36)}`;
    count += 1;
    return block + ENDINGS[low];
  };
}

/** The id source for messages that are made outside a flow. */
export const newId: IdSource = createIdSource(Math.random);
