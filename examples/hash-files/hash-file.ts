// What the threads import: two functions that compute for about a tenth of a second each, and never wait.
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

/** All that these functions need of their context; a handler's has it too. */
type Stoppable = Pick<ThreadContext, "signal">;

const ROUNDS = 60_000;

/** SHA-256 of the file, of the result, of that result, and so on. */
export function sha256({ name, bytes }: File, { signal }: Stoppable): Hashed {
  let digest = createHash("sha256").update(bytes).digest();
  for (let round = 1; round < ROUNDS; round += 1) {
    if (round % 1_000 === 0) signal.throwIfAborted();
    digest = createHash("sha256").update(digest).digest();
  }
  return { name, by: "sha256", hash: digest.toString("hex") };
}

/** A key drawn from the file, in one call that nothing can interrupt but the end of its thread. */
export function scrypt({ name, bytes }: File, _: Stoppable): Hashed {
  const key = scryptSync(bytes, name, 32, { N: 2 ** 15, r: 8, p: 1, maxmem: 2 ** 26 });
  return { name, by: "scrypt", hash: key.toString("hex") };
}
