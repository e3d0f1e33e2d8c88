import { createHash } from "node:crypto";

/** Computes the digest of what a model is told about a tool: name, description and input schema. */
export function toolDigest(name: string, description: string, inputSchema: unknown): string {
  return createHash("sha256")
    .update(canonical([name, description, inputSchema]))
    .digest("base64url");
}

/** Writes a JSON value with its keys in order, so that the same content has the same text. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => {
    if (typeof item !== "object" || item === null || Array.isArray(item)) return item;
    return Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
