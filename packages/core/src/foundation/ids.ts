import type { Random } from "./random.ts";

/** The base-36 digits: ids are created often enough for the conversion of the counter to matter. */
const DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz";

/**
 * Creates ids: a prefix of 64 random bits, then a counter, both in base 36. An id created here maps back to its number,
 * so tables can index it without hashing its characters.
 */
export class IdSource {
  readonly #prefix: string;
  #count = 0;
  #block = "";

  constructor(random: Random) {
    let prefix = "";
    while (prefix.length < 12)
      prefix += Math.floor(random() * 2_176_782_336)
        .toString(36)
        .padStart(6, "0");
    this.#prefix = `${prefix}-`;
  }

  next(): string {
    const low = this.#count % 36;
    if (low === 0) this.#block = this.#prefix + (this.#count / 36).toString(36).padStart(2, "0");
    this.#count += 1;
    return this.#block + DIGITS[low];
  }

  /** The number of the most recent id, from 0. */
  get last(): number {
    return this.#count - 1;
  }

  /** Returns the number of an id created here, `undefined` for any other. */
  numberOf(id: string): number | undefined {
    if (!id.startsWith(this.#prefix)) return undefined;
    const count = Number.parseInt(id.slice(this.#prefix.length), 36);
    return Number.isNaN(count) ? undefined : count;
  }
}

const ids = new IdSource(Math.random);

/** Creates an id for a message that is made outside a flow. */
export function newId(): string {
  return ids.next();
}
