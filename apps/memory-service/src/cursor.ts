import { createHmac, timingSafeEqual } from "node:crypto";
import { MemoryError } from "./memory-error.ts";

/**
 * Signs the place of a list for a principal and filter. A cursor of another principal or filter, or an altered one, is
 * refused.
 */
export function signCursor(secret: string, bound: string, place: readonly (string | number)[]): string {
  const text = Buffer.from(JSON.stringify(place)).toString("base64url");
  return `${text}.${signature(secret, bound, text)}`;
}

/**
 * Reads a cursor.
 *
 * @throws MemoryError `INVALID`
 */
export function readCursor(secret: string, bound: string, cursor: string): readonly unknown[] {
  const [text = "", given = ""] = cursor.split(".");
  const [signed, wanted] = [Buffer.from(given), Buffer.from(signature(secret, bound, text))];
  const isSigned = signed.length === wanted.length && timingSafeEqual(signed, wanted);
  const place: unknown = isSigned ? JSON.parse(Buffer.from(text, "base64url").toString()) : undefined;
  if (Array.isArray(place)) return place;
  throw new MemoryError("INVALID", "The cursor does not belong to this list", {
    issues: [{ path: ["cursor"], message: "expected the cursor of the page before, with the same filter" }],
  });
}

function signature(secret: string, bound: string, text: string): string {
  return createHmac("sha256", secret).update(`${bound}\0${text}`).digest("base64url");
}
