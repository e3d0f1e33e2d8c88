import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";

/** Opens a connection and writes a request as it stands: `fetch` and `node:http` correct what an attacker writes. */
export function openRaw(port: number, ...lines: readonly string[]): Socket {
  const socket = connect(port, "127.0.0.1");
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  return socket;
}

/** Sends a request as it stands, and returns the whole response. */
export async function rawRequest(port: number, ...lines: readonly string[]): Promise<string> {
  return await text(openRaw(port, ...lines, "Connection: close"));
}
