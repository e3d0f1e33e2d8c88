/** A number from 0 (included) to 1 (excluded). */
export type Random = () => number;

/**
 * Creates a random source that yields the same numbers for the same seed.
 *
 * The generator is mulberry32 by Tommy Ettinger (public domain): 32 bits of state, period 2^32. It suits jitter and
 * schedules, not secrets.
 */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
