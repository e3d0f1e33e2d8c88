// Serves AG-UI, which chat front ends such as CopilotKit and assistant-ui speak.
//
//   npm run agui
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { aguiHandler, nodeListener } from "@penguiflow/ag-ui";
import { startChat } from "./subject.ts";

/** Starts the agent and its server. */
export async function serveAgui(port = 8082) {
  const running = startChat();
  // a real server reads tenant and user from the request's session
  const server = createServer(nodeListener(aguiHandler(running, { caller: () => ({ tenant: "default" }) })));
  await once(server.listen(port, "127.0.0.1"), "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await running[Symbol.asyncDispose]();
    },
  };
}

if (import.meta.main) console.log(`Listening on ${(await serveAgui()).url}`);
