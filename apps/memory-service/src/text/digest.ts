import { hash } from "node:crypto";

/** Returns the SHA-256 of a text, in hexadecimal digits. */
export function digest(text: string): string {
  return hash("sha256", text);
}

/** Returns a digest that reveals nothing about short texts to readers without the salt. */
export function saltedDigest(salt: string, text: string): string {
  // a digest cut to half its length cannot be continued by a reader who lacks the salt
  return hash("sha256", `${salt}\0${text}`).slice(0, 32);
}
