import type { IncomingMessage } from "node:http";
import { MemoryError } from "../memory-error.ts";
import { Refused } from "./problem.ts";

/** Times that a body may be too long before it is not read to its end. */
const DROPPED = 16;

/**
 * Reads a JSON body; an empty one is an empty object.
 *
 * @throws Refused when it is too long or no JSON by its type, MemoryError `INVALID` when it is none by its text
 */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // without the option, the end of the loop would end the connection, and the client would hear of no reason
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= maxBytes) chunks.push(chunk);
    // a client reads no answer before it has written its body: what is too much is dropped, within reason
    else if (bytes > DROPPED * maxBytes) break;
  }
  if (bytes > maxBytes)
    throw new Refused("BODY_TOO_LARGE", `A body may have ${maxBytes} bytes`, { connection: "close" });
  if (bytes === 0) return {};
  const type = (request.headers["content-type"] ?? "").split(";")[0]!.trim().toLowerCase();
  if (type !== "application/json")
    throw new Refused("CONTENT_TYPE_WRONG", `A body must be application/json: got "${type}"`);
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks))) as unknown;
  } catch {
    throw new MemoryError("INVALID", "The body is no JSON in UTF-8", {
      issues: [{ path: [], message: "expected JSON in UTF-8" }],
    });
  }
}
