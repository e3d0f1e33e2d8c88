import type { Tool } from "./tool.ts";

/** Digests by schema, of a tool with that name and description. */
const digests = new WeakMap<
  object,
  { readonly name: string; readonly description: string; readonly digest: Promise<string> }
>();

/** Returns the SHA-256 of what the model is told of a tool, in hexadecimal: name, description and schema. */
export function digestOf({ name, description, inputSchema }: Tool): Promise<string> {
  const known = digests.get(inputSchema);
  if (known?.name === name && known.description === description) return known.digest;
  const digest = sha256(JSON.stringify([name, description, inputSchema]));
  digests.set(inputSchema, { name, description, digest });
  return digest;
}

async function sha256(text: string): Promise<string> {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
