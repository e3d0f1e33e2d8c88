/**
 * Lineage ids: 64 bits that say where in its trace a message comes from. The same message of the
 * same parent, sent again after a retry or a restart, has the same id, so that it can serve as
 * idempotency key. Kept as two 32-bit halves, since a hop must not allocate for it.
 *
 * Mixing is the finaliser of MurmurHash3 (Austin Appleby, public domain) on each half.
 */
export function mixHigh(high: number, low: number, edge: number, output: number): number {
  return scramble(Math.imul(high ^ low, 0x9e3779b1) + edge + Math.imul(output, 0x01000193));
}

/** The lower half that goes with {@link mixHigh}. */
export function mixLow(high: number, low: number, edge: number, output: number): number {
  return scramble(Math.imul(low, 0x85ebca6b) ^ high ^ Math.imul(edge + 1, 0xc2b2ae35) ^ (output + 0x27d4eb2f));
}

// a recorder is told one for every hop, and numbers are slow to convert
const BYTES: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

function eightDigits(half: number): string {
  return `${BYTES[half >>> 24]}${BYTES[(half >>> 16) & 255]}${BYTES[(half >>> 8) & 255]}${BYTES[half & 255]}`;
}

/** A lineage id as 16 hexadecimal digits. */
export function lineageText(high: number, low: number): string {
  return eightDigits(high) + eightDigits(low);
}

function scramble(value: number): number {
  let mixed = value | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) | 0;
}
