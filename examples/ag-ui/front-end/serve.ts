// Serves the agent of examples/ag-ui with a chat page of assistant-ui.
//
//   npm install --prefix examples/ag-ui/front-end
//   npm start --prefix examples/ag-ui/front-end
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { aguiHandler, nodeListener } from "@penguiflow/ag-ui";
import { createAgent } from "../agent.ts";

const FILES: Readonly<Record<string, readonly [file: string, type: string]>> = {
  "/": ["page.html", "text/html; charset=utf-8"],
  "/page.js": ["dist/page.js", "text/javascript; charset=utf-8"],
};

await using agent = createAgent().start();
// a real server reads the user from the request's session
const talk = nodeListener(aguiHandler(agent, { caller: () => ({ tenant: "acme", user: "ann" }) }));
const server = createServer((request, response) => {
  const [file, type] = FILES[request.url ?? ""] ?? [];
  if (request.method === "POST") talk(request, response);
  else if (file === undefined || type === undefined) response.writeHead(404).end();
  else
    readFile(new URL(file, import.meta.url)).then(
      (content) => response.writeHead(200, { "content-type": type }).end(content),
      () => response.writeHead(404).end(`${file} is missing: npm run build`),
    );
});
await once(server.listen(Number(process.env["PORT"] ?? 8080), "127.0.0.1"), "listening");
console.log(`chat at http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
await once(process, "SIGINT");
server.closeAllConnections();
server.close();
