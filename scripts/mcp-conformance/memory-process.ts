// Serves a memory over MCP, with the token of its start added to each request: the suite sends no credential. Prints its URL.
import { once } from "node:events";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { openMemory } from "@penguiflow/memory-service";
import { serveMemory } from "@penguiflow/memory-service/http";

const memory = await openMemory();
const { url, token } = await serveMemory(memory, { sharing: true });
const proxy = createServer((incoming, outgoing) => {
  const headers = { ...incoming.headers, authorization: `Bearer ${token}` };
  const { method } = incoming;
  const onward = request(new URL(incoming.url ?? "/", url), { method, headers }, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(outgoing);
  });
  onward.on("error", () => outgoing.destroy());
  outgoing.on("close", () => onward.destroy());
  incoming.pipe(onward);
}).listen(0, "127.0.0.1");
await once(proxy, "listening");
process.stdout.write(`http://127.0.0.1:${(proxy.address() as AddressInfo).port}/mcp\n`);
