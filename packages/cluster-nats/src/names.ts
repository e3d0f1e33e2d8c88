import { hash } from "node:crypto";

/** Hashes a name to a token of a subject: names may have spaces, dots and wildcards, a token may not. */
export function token(...names: readonly string[]): string {
  return hash("sha256", JSON.stringify(names), "base64url").slice(0, 32);
}

/** Streams of a cluster. */
export interface Streams {
  readonly checkpoints: string;
  readonly intake: string;
  readonly results: string;
  readonly registry: string;
}

/** Names the streams of a cluster. */
export function streamsOf(name: string): Streams {
  return {
    checkpoints: `${name}_checkpoints`,
    intake: `${name}_intake`,
    results: `${name}_results`,
    registry: `${name}_registry`,
  };
}
