import { createHash } from "node:crypto";

/** Length of the longest name that models take. */
const MAX_NAME = 64;

/**
 * Gives a server's tool a name that models take: 1 to 64 of `A-Z a-z 0-9 _ -` together with the source's prefix. A name
 * that had to change ends in a part of its hash: it is no other's, and stays the same when other tools come or go.
 */
export function toolName(source: string, name: string): string {
  const room = MAX_NAME - (source === "" ? 0 : source.length + 1);
  const plain = name.replaceAll(/[^A-Za-z0-9_-]/g, "_");
  if (plain === name && name !== "" && name.length <= room) return name;
  const hash = createHash("sha256").update(name).digest("hex").slice(0, 6);
  return `${plain.slice(0, room - hash.length - 1)}_${hash}`;
}
