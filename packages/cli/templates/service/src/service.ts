import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { A2AServerAdapter } from "@penguiflow/a2a/server";
import { aguiHandler, nodeListener } from "@penguiflow/ag-ui";
import { openTelemetry } from "@penguiflow/otel";
import { SqliteCheckpointStore } from "@penguiflow/state-sqlite";
import { durable } from "penguiflow/durable";
import { type Config, hashOf } from "./config.ts";
import { createFlow } from "./flows.ts";

const MOST_BYTES = 64_000;

/** Starts the flow and its server, which has three doors: plain HTTP, A2A, and AG-UI at `/agui`. */
export async function startService({ port, publicUrl, file, drainMs, tenants }: Config) {
  const checkpoints = await SqliteCheckpointStore.open({ file });
  const flow = createFlow({ durability: durable({ checkpoints }), instrument: openTelemetry() }).run();
  const { resumed } = await flow.ready();
  let isDraining = false;

  const tenantOf = (authorization: string | null | undefined): string | undefined =>
    tenants.size === 0 ? "default" : tenants.get(hashOf(authorization?.replace(/^Bearer /, "") ?? ""));

  const adapter = new A2AServerAdapter(flow, {
    card: {
      name: "{{name}}",
      description: "Books orders",
      version: "1.0.0",
      skills: [{ id: "order", description: "Books what a text orders" }],
    },
    authenticate: ({ headers }) => tenantOf(headers.authorization),
    mayUseTenant: (user, tenant) => user === tenant,
  });
  const a2a = adapter.listener();
  const agui = nodeListener(
    aguiHandler(flow, {
      caller: ({ headers }) => {
        const tenant = tenantOf(headers.get("authorization"));
        return tenant === undefined ? new Response("Not authenticated", { status: 401 }) : { tenant };
      },
    }),
  );

  const answer = async (response: ServerResponse, { id, tenant }: { id: string; tenant: string }, text: string) => {
    const [pause] = await flow.pauses.list({ tenant, traceId: id });
    if (pause === undefined) return send(response, 404, { id, error: "No question is open" });
    const { status } = await flow.pauses.resume(pause.token, text === "true", { tenant });
    send(response, 200, { id, status });
  };

  // an order has an id of its client: sent again, it is not booked again, and tells its outcome
  const order = async (request: IncomingMessage, response: ServerResponse, id: string): Promise<void> => {
    const tenant = tenantOf(request.headers.authorization);
    if (tenant === undefined) return send(response, 401, { error: "Not authenticated" });
    const text = await readBody(request);
    if (text === undefined) return send(response, 413, { error: `An order has at most ${MOST_BYTES} bytes` });
    if (request.method === "POST") return await answer(response, { id, tenant }, text.trim());
    const outcome = await flow.outcome(text, { id, tenant, keepMs: 86_400_000 });
    if (outcome.status === "completed") return send(response, 200, { id, answer: outcome.result });
    // the token of a pause stays here: whoever has it may answer
    if (outcome.status === "paused") return send(response, 202, { id, asks: outcome.pauses.map((one) => one.reason) });
    send(response, outcome.status === "stopped" ? 503 : 422, { id, error: outcome.error.message });
  };

  const server = createServer((request, response) => {
    // a client with a kept connection is sent elsewhere
    if (isDraining) response.setHeader("connection", "close");
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    const [, id] = /^\/orders\/([\w-]{1,100})$/.exec(pathname) ?? [];
    if (pathname === "/healthz") send(response, isDraining ? 503 : 200, { ready: !isDraining });
    else if (pathname === "/agui") agui(request, response);
    else if (id === undefined) a2a(request, response);
    else if (!["PUT", "POST"].includes(request.method ?? ""))
      send(response, 405, { error: "PUT sends an order, POST answers its question" });
    else order(request, response, id).catch((error: unknown) => send(response, 503, { id, error: String(error) }));
  });
  await once(server.listen(port, tenants.size === 0 ? "127.0.0.1" : "0.0.0.0"), "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  adapter.url = publicUrl === "" ? url : publicUrl;

  return {
    url,
    resumed,
    /** Lets accepted work end, and closes everything. What is not done goes on at the next start. */
    async drain(): Promise<void> {
      isDraining = true;
      const closed = once(server, "close");
      server.close();
      await flow.stop({ drainMs });
      await adapter.quiet();
      // a client that does not read holds nothing up
      setTimeout(() => server.closeAllConnections(), 1_000).unref();
      await closed;
      await checkpoints.close();
    },
  };
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MOST_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function send(response: ServerResponse, status: number, body: object): void {
  if (response.headersSent) response.destroy();
  else response.writeHead(status, { "content-type": "application/json" }).end(`${JSON.stringify(body)}\n`);
}
