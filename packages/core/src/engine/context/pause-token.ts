import type { Random } from "../../foundation/random.ts";
import type { Trace } from "../state/trace.ts";

/**
 * Pattern of a complete token. Its secret has one of the two lengths that `secret` produces, so a truncated one is
 * detected.
 */
const TOKEN =
  /^pause_[0-9a-z]+_[0-9a-z]+_(?:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|(?:[0-9a-f]{8}-){3}[0-9a-f]{8})$/;

/** Makes a token that answers a pause of an outermost trace. */
export function tokenFor({ runText }: Trace, expiresAt: number | undefined, random: Random): string {
  const until = expiresAt === undefined ? "0" : Math.ceil(expiresAt).toString(36);
  return `pause_${runText}_${until}_${secret(random)}`;
}

/** Returns the public id of a pause: it tells one secret apart from others, and leaves enough of it to guess. */
export function idOf(token: string): string {
  const [, run = "", , rest = ""] = token.split("_");
  return `${run}-${rest.slice(0, 8)}`;
}

/** Whether a token is complete. */
export function isComplete(token: string): boolean {
  return TOKEN.test(token);
}

/** Reads the run of the trace and the expiry, 0 for none, from a token, which may be truncated. */
export function partsOf(token: string): { readonly run: number; readonly expiresAt: number } | undefined {
  const parts = /^pause_([0-9a-z]*)_?([0-9a-z]*)/.exec(token);
  if (parts === null) return undefined;
  const [, run = "", expiresAt = ""] = parts;
  return { run: Number.parseInt(run, 36), expiresAt: Number.parseInt(expiresAt, 36) };
}

/** Generates 128 unguessable bits, or seeded ones if the flow has its own `random`. */
function secret(random: Random): string {
  if (random === Math.random) return globalThis.crypto.randomUUID();
  return Array.from({ length: 4 }, () =>
    Math.floor(random() * 2 ** 32)
      .toString(16)
      .padStart(8, "0"),
  ).join("-");
}
