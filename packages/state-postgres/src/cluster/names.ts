import { createHash } from "node:crypto";

/** Hashes names to a key of 32 bytes, whatever their length and characters. */
export function hashed(...names: readonly string[]): Buffer {
  return createHash("sha256").update(JSON.stringify(names)).digest();
}

/** Returns the channel of a subject: names of channels have at most 63 bytes. */
export function channelOf(schema: string, subject: string): string {
  return `penguiflow_${hashed(schema, subject).toString("hex").slice(0, 40)}`;
}
