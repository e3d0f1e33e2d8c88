// A service that is down, then hangs, then answers. The node's policy sets timeout and retries; a middleware observes
// every attempt.
//
//   npm run example examples/reliability-middleware/main.ts
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type Context, create, type FlowEvent, formatFlowEvent, payloadNode } from "penguiflow";

/** Error response of the service; its status tells whether a retry can help. */
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
      // a bad request fails again on every retry
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

/** Starts a service that answers 503, then hangs, then succeeds; unknown paths get 404. */
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
