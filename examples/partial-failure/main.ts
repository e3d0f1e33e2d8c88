// Many requests for one answer. Each is retried by itself. One that fails for good is reported in the answer and does
// not fail the others.
//
//   npm run example examples/partial-failure/main.ts gentoo unicorn emperor
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { type Context, create, joinK, type Message, node, payloadNode, shape } from "penguiflow";

interface Request {
  /** Number of requests that make up the answer, which the join waits for. */
  readonly of: number;
  readonly bird: string;
}
type Sighting = { readonly bird: string; readonly of: number } & ({ readonly seen: number } | { readonly why: string });

/** Thrown for an answer that another attempt may improve. */
class Refused extends Error {
  readonly retryAfterMs: number | undefined;

  constructor({ status, headers }: Response) {
    super(`status ${status}`);
    const seconds = headers.get("retry-after");
    this.retryAfterMs = seconds === null ? undefined : Number(seconds) * 1_000;
  }
}

const split = node("split", async ({ payload: birds }: Message<readonly string[]>, ctx) => {
  const of = birds.length;
  // no requests: the join passes on an empty group
  if (of === 0) await ctx.emit({ bird: "", of, seen: 0 }, { to: "gather" });
  for (const bird of birds) await ctx.emit({ bird, of }, { to: "ask" });
});

const ask = payloadNode(
  {
    name: "ask",
    policy: {
      timeoutMs: 1_000,
      maxRetries: 2,
      backoffBaseMs: 20,
      maxBackoffMs: 200,
      ordering: "none",
      // a busy service says when to come back
      retryAfterMs: (error) => (error instanceof Refused ? error.retryAfterMs : undefined),
      // a failure would end the trace and discard the other findings
      onFailed: (error, { payload: { bird, of } }: Message<Request>): Sighting => {
        const thrown = error.unwrap();
        return { bird, of, why: `${thrown instanceof Refused ? thrown.message : error.code}, ${error.attempt} times` };
      },
    },
  },
  async ({ bird, of }: Request, ctx: Context<{ readonly url: string }>): Promise<Sighting> => {
    const response = await fetch(new URL(bird, ctx.resources.url), { signal: ctx.signal });
    if (response.ok) return { bird, of, seen: ((await response.json()) as { seen: number }).seen };
    // an unknown bird stays unknown, so a retry is pointless
    if (response.status < 500) return { bird, of, why: `status ${response.status}` };
    throw new Refused(response);
  },
);

const gather = joinK("gather", ({ payload }) => payload.of, { input: shape<Sighting>(), timeoutMs: 10_000 });

const report = payloadNode("report", (sightings: readonly Sighting[]) => ({
  seen: Object.fromEntries(sightings.flatMap((one) => ("seen" in one ? [[one.bird, one.seen]] : []))),
  failed: Object.fromEntries(sightings.flatMap((one) => ("why" in one ? [[one.bird, one.why]] : []))),
}));

export function createFlow() {
  return create(split.to(ask, gather), ask.to(gather), gather.to(report), { name: "partial-failure" });
}

export async function main(...birds: readonly string[]) {
  await using server = await startUnreliableService();
  await using flow = createFlow();
  flow.run({ resources: server });

  const { seen, failed } = await flow.call(birds, { tenant: "acme", timeoutMs: 20_000 });
  for (const [bird, count] of Object.entries(seen)) console.log(`${count} × ${bird}`);
  for (const [bird, why] of Object.entries(failed)) console.log(`no figure for ${bird}: ${why}`);
  console.log(`${Object.keys(seen).length} of ${birds.length} birds, ${server.requests()} requests`);
  return { seen, failed, requests: server.requests() };
}

/** Starts a service that knows a few birds. Fails the first request for each, and every request for emperors. */
async function startUnreliableService() {
  const known: Readonly<Record<string, number>> = { gentoo: 27, adelie: 4, emperor: 1 };
  const asked: string[] = [];
  const server = createServer(({ url = "" }, response) => {
    const bird = url.slice(1);
    const isFirst = !asked.includes(bird);
    asked.push(bird);
    if (known[bird] === undefined) response.writeHead(404).end();
    else if (isFirst || bird === "emperor") response.writeHead(503, { "retry-after": "0.02" }).end();
    else response.end(JSON.stringify({ seen: known[bird] }));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: () => asked.length,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

if (import.meta.main)
  await main(...(process.argv.length > 2 ? process.argv.slice(2) : ["gentoo", "unicorn", "emperor"]));
