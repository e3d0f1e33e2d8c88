// The module that threads import: two functions that compute for about a tenth of a second each and never wait.
import { createHash, scryptSync } from "node:crypto";
import type { ThreadContext } from "penguiflow/threads";

export interface File {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface Hashed {
  readonly name: string;
  readonly by: "sha256" | "scrypt";
  readonly hash: string;
}

/** Part of the context that these functions need; a handler's context has it too. */
type Stoppable = Pick<ThreadContext, "signal">;

const ROUNDS = 60_000;

/** Computes the SHA-256 of the file, then of the result, and so on. */
export function sha256({ name, bytes }: File, { signal }: Stoppable): Hashed {
  let digest = createHash("sha256").update(bytes).digest();
  for (let round = 1; round < ROUNDS; round += 1) {
    if (round % 1_000 === 0) signal.throwIfAborted();
    digest = createHash("sha256").update(digest).digest();
  }
  return { name, by: "sha256", hash: digest.toString("hex") };
}

/** Derives a key from the file in one call, which only the end of its thread can interrupt. */
export function scrypt({ name, bytes }: File, _: Stoppable): Hashed {
  const key = scryptSync(bytes, name, 32, { N: 2 ** 15, r: 8, p: 1, maxmem: 2 ** 26 });
  return { name, by: "scrypt", hash: key.toString("hex") };
}
