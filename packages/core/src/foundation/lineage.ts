/**
 * Computes the upper half of a lineage id: 64 bits that identify a message's origin within its trace. A message sent
 * again after a retry or restart has the same id, so the id serves as idempotency key. It is kept as two 32-bit halves,
 * because a hop must not allocate for it.
 *
 * Mixing is the finaliser of MurmurHash3 (Austin Appleby, public domain) on each half.
 */
export function mixHigh(high: number, low: number, edge: number, output: number): number {
  return scramble(Math.imul(high ^ low, 0x9e3779b1) + edge + Math.imul(output, 0x01000193));
}

/** Computes the lower half that belongs to {@link mixHigh}. */
export function mixLow(high: number, low: number, edge: number, output: number): number {
  return scramble(Math.imul(low, 0x85ebca6b) ^ high ^ Math.imul(edge + 1, 0xc2b2ae35) ^ (output + 0x27d4eb2f));
}

// observers receive two ids per hop: converting numbers is slow, and so is each string in between
const THREE: readonly string[] = Array.from({ length: 4_096 }, (_, part) => part.toString(16).padStart(3, "0"));
const TWO: readonly string[] = THREE.slice(0, 256).map((digits) => digits.slice(1));

function eightDigits(half: number): string {
  return `${THREE[half >>> 20]}${THREE[(half >>> 8) & 4_095]}${TWO[half & 255]}`;
}

/** Formats a lineage id as 16 hexadecimal digits. */
export function lineageText(high: number, low: number): string {
  return eightDigits(high) + eightDigits(low);
}

function scramble(value: number): number {
  let mixed = value | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) | 0;
}
