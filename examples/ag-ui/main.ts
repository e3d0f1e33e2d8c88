// Serves an agent to chat front ends by the AG-UI protocol. The official client asks for a room, is asked to approve the
// booking, shortens it, and reads the rest of the answer. With `serve` it stays, with a page to chat in.
//
//   npm run example examples/ag-ui/main.ts
//   npm run example examples/ag-ui/main.ts serve
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { HttpAgent } from "@ag-ui/client";
import { aguiHandler, nodeListener } from "@penguiflow/ag-ui";
import { createAgent } from "./agent.ts";

/** Starts the agent and its server. */
export async function serve(port = 0) {
  const agent = createAgent().start();
  // a real server reads the user from the request's session
  const handler = aguiHandler(agent, { caller: () => ({ tenant: "acme", user: "ann" }) });
  const talk = nodeListener(handler);
  const page = await readFile(new URL("page.html", import.meta.url));
  const server = createServer((request, response) => {
    if (request.method === "GET") response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end(page);
    else talk(request, response);
  });
  await once(server.listen(port, "127.0.0.1"), "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return {
    url,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await agent[Symbol.asyncDispose]();
    },
  };
}

/** Talks to the agent as a chat front end does. Returns the last message. */
export async function main(): Promise<string> {
  await using server = await serve();
  const client = new HttpAgent({ url: server.url });
  client.subscribe({
    onTextMessageEndEvent: ({ textMessageBuffer }) => console.log(`agent: ${textMessageBuffer}`),
    onToolCallEndEvent: ({ toolCallName, toolCallArgs }) =>
      console.log(`calls ${toolCallName} ${JSON.stringify(toolCallArgs)}`),
    onToolCallResultEvent: ({ event }) => console.log(`  ${JSON.stringify(event.content)}`),
  });
  client.addMessage({ id: "1", role: "user", content: "We are eight and need a room" });
  console.log("ann: We are eight and need a room");
  await client.runAgent();

  const resume = client.pendingInterrupts.map(({ id, message }) => {
    console.log(`asks: ${message}\nann: yes, but for one hour`);
    const payload = { approved: true, editedArgs: { room: "Emperor", hours: 1 } };
    return { interruptId: id, status: "resolved" as const, payload };
  });
  await client.runAgent({ resume });
  const { content } = client.messages.at(-1) ?? {};
  return typeof content === "string" ? content : "";
}

if (import.meta.main) {
  if (process.argv[2] === "serve") {
    await using server = await serve();
    console.log(`chat at ${server.url}`);
    await once(process, "SIGINT");
  } else {
    await main();
  }
}
