import { createHash, createHmac } from "node:crypto";

/** Returns the SHA-256 of a text, in hexadecimal digits. */
export function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** Returns a digest that reveals nothing about short texts to readers without the salt. */
export function saltedDigest(salt: string, text: string): string {
  return createHmac("sha256", salt).update(text).digest("hex").slice(0, 32);
}
