/** Returns a UUID of version 7 (RFC 9562): 48 bits of time, 12 of a place among those of one request, then random ones. */
export function uuidV7(epochMs: number, place: number): string {
  const time = Math.floor(epochMs).toString(16).padStart(12, "0");
  const rest = (place & 0x0fff).toString(16).padStart(3, "0");
  // ids of version 4 have their random bits in the same places, and come from a pool
  return `${time.slice(0, 8)}-${time.slice(8)}-7${rest}${crypto.randomUUID().slice(18)}`;
}
