import type { Broker } from "./broker.ts";

const AT_ONCE = 16;

/** Stores a body that is too long for one message in parts, before the message that refers to them. */
export async function storeParts(
  broker: Broker,
  stream: string,
  prefix: string,
  body: Uint8Array,
  ttlMs?: number,
): Promise<number> {
  const size = broker.bodyBytes;
  const count = Math.ceil(body.length / size);
  for (let start = 0; start < count; start += AT_ONCE)
    await Promise.all(
      Array.from({ length: Math.min(AT_ONCE, count - start) }, async (_, offset) => {
        const index = start + offset;
        const part = body.subarray(index * size, (index + 1) * size);
        await broker.publish(stream, { subject: `${prefix}.${index}`, body: part, ttlMs });
      }),
    );
  return count;
}

/** Reads the parts of a body from the leader; `undefined` when one is missing. */
export async function readParts(
  broker: Broker,
  stream: string,
  prefix: string,
  count: number,
): Promise<Uint8Array | undefined> {
  const parts: Uint8Array[] = [];
  for (let index = 0; index < count; index += 1) {
    const part = await broker.last(stream, `${prefix}.${index}`);
    if (part === undefined) return undefined;
    parts.push(part.body);
  }
  return Buffer.concat(parts);
}
