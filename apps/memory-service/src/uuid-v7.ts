import { randomBytes } from "node:crypto";

/** Returns a UUID of version 7 (RFC 9562): 48 bits of time, 12 of a place among those of one request, then random ones. */
export function uuidV7(epochMs: number, place: number): string {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(Math.floor(epochMs), 0, 6);
  bytes.writeUInt16BE(0x7000 | (place & 0x0fff), 6);
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
