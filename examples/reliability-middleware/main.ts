// A service that is down, then hangs, then answers. The node's policy says how long to wait and how often to
// try again; a middleware sees all of it.
//
//   npm run example examples/reliability-middleware/main.ts
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type Context, create, type FlowEvent, formatFlowEvent, payloadNode } from "penguiflow";

/** An answer of the service, as far as the flow must tell them apart. */
class ServiceError extends Error {
  override readonly name = "ServiceError";
  readonly status: number;
  constructor(status: number) {
    super(`The service answered with status ${status}`);
    this.status = status;
  }
}

const ask = payloadNode(
  {
    name: "ask",
    policy: {
      timeoutMs: 1_000,
      maxRetries: 3,
      backoffBaseMs: 20,
      maxBackoffMs: 200,
      // a request that is wrong stays wrong
      retryIf: (error) => !(error instanceof ServiceError && error.status < 500),
    },
  },
  async (bird: string, ctx: Context<{ readonly url: string }>) => {
    const response = await fetch(new URL(bird, ctx.resources.url), { signal: ctx.signal });
    if (!response.ok) throw new ServiceError(response.status);
    return (await response.json()) as { bird: string; seen: number };
  },
);

const describe = payloadNode("describe", ({ bird, seen }: { bird: string; seen: number }) => `${seen} × ${bird}`);

export function createFlow() {
  return create(ask.to(describe), { name: "reliability" });
}

export async function main() {
  await using server = await startUnreliableService();
  const events: FlowEvent[] = [];

  await using flow = createFlow();
  flow.addMiddleware((event) => {
    events.push(event);
    if (/error|timeout|retry|failed/.test(event.type)) console.log(formatFlowEvent(event));
  });
  flow.run({ resources: server });

  const answer = await flow.call("gentoo", { tenant: "acme", traceId: "sighting" });
  console.log(answer);
  const refused = await flow.outcome("unicorn", { tenant: "acme", traceId: "nonsense" });
  await flow.flush();
  return { answer, refused, events };
}

/** Answers 503, then not at all, then as it should; and 404 to what it does not know. */
async function startUnreliableService() {
  let requests = 0;
  const server = createServer((request, response) => {
    if (request.url === "/unicorn") return void response.writeHead(404).end();
    requests += 1;
    if (requests === 1) response.writeHead(503).end();
    else if (requests > 2) response.end(JSON.stringify({ bird: request.url?.slice(1), seen: 27 }));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

if (import.meta.main) await main();
