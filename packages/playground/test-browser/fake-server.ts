// Serves the built pages with a lifelike flow and generated runs behind them: no project, no child process, no store.
import { existsSync, readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import type {
  FlowSummary,
  Frame,
  NewRun,
  NewSimulation,
  ProjectView,
  RunAgain,
  RunSummary,
  SimulationItem,
  TestMade,
} from "../src/protocol.ts";
import { LifelikeFlow, type Load, wideGraph } from "../test/load/lifelike-flow.ts";
import { eventsOf, manyRuns, messagesOf, modelCallsOf, supportGraph, supportRun } from "../test/load/support-run.ts";

/** A server of pages under test. */
export interface FakeServer {
  readonly url: string;
  /** Load of the flow "wide". */
  readonly wide: LifelikeFlow;
  /** Requests that changed something, in order. */
  readonly asked: { readonly route: string; readonly body: unknown }[];
  /** Sends an item to every page. */
  readonly tell: (type: string, item: object) => void;
  readonly close: () => Promise<void>;
}

const MEDIA: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
};
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; connect-src 'self'; img-src 'self' data:";
const NOW = Date.now();

/** Starts a server over a folder of built pages. */
export async function startFakeServer(folder: string, load: Partial<Load> = {}, runCount = 240): Promise<FakeServer> {
  const wide = new LifelikeFlow({ perSecond: 12, slow: { "score-1": 420, "embed-2": 300, "store-1": 60 }, ...load });
  const streams = new Set<ServerResponse>();
  const asked: { route: string; body: unknown }[] = [];
  const runs = manyRuns(runCount, NOW);
  let seq = 1;
  const tell = (type: string, item: object): void => {
    for (const stream of streams)
      stream.write(`event: ${type}\nid: ${++seq}\ndata: ${JSON.stringify({ type, seq, ...item })}\n\n`);
  };
  // frames of the model's own time would be old: the page measures against the clock of this machine
  const shift = Date.now() - wide.frame(0).at;
  const shifted = (frame: Frame): Frame => ({
    ...frame,
    at: frame.at + shift,
    events: frame.events.map((event) => ({ ...event, at: event.at + shift })),
  });
  const timer = setInterval(() => {
    const frame = shifted(wide.frame());
    if (streams.size > 0) tell("frame", frame);
  }, 100);
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://localhost");
    if (!url.pathname.startsWith("/api/")) {
      const file = path.join(folder, url.pathname);
      const found = path.extname(file) !== "" && existsSync(file) ? file : path.join(folder, "index.html");
      const type = MEDIA[path.extname(found)] ?? "text/plain";
      response.writeHead(200, { "content-type": type, "content-security-policy": CSP }).end(readFileSync(found));
      return;
    }
    const route = decodeURIComponent(url.pathname.slice("/api/".length));
    if (route === "events") {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(`event: hello\nid: ${seq}\ndata: {"seq":${seq},"generation":1,"isGap":false}\n\n`);
      streams.add(response);
      response.on("close", () => streams.delete(response));
      return;
    }
    void handle(request, response, route, url.searchParams);
  });

  async function handle(
    request: IncomingMessage,
    response: ServerResponse,
    route: string,
    query: URLSearchParams,
  ): Promise<void> {
    const body = await readBody(request);
    const { method = "GET" } = request;
    if (method !== "GET") asked.push({ route: `${method} ${route}`, body });
    if (route === "simulate" && method === "POST") return simulate(response, body as NewSimulation);
    const answer = answerTo(method, route, query, body) ?? {
      status: 404,
      body: { error: { code: "ROUTE_UNKNOWN", message: `There is no route ${route}` } },
    };
    response.writeHead(answer.status ?? 200, { "content-type": "application/json" });
    response.end(answer.body === undefined ? "" : JSON.stringify(answer.body));
  }

  function answerTo(method: string, route: string, query: URLSearchParams, body: unknown): Answer | undefined {
    const [head = "", flow = "", id = "", tail = ""] = route.split("/");
    if (route === "project") return { body: projectView() };
    if (route === "simulate" && method === "GET")
      return { body: { files: [{ file: "src/shop.sim.ts", name: "shop" }] } };
    if (route === "compare") return { body: compareView() };
    if (head === "flows" && id === "runs")
      return { body: { runId: `run-${asked.length}`, count: (body as NewRun).count } };
    if (head === "flows" && flow === "wide")
      return {
        body: {
          ...summary("wide", 50),
          graph: wideGraph(),
          findings: [],
          stats: wide.stats(),
          mermaid: "flowchart TD\n",
        },
      };
    if (head === "flows" && flow === "support")
      return {
        body: {
          ...summary("support", 7),
          findings: [],
          graph: supportGraph,
          inputSchema: SCHEMA,
          mermaid: "flowchart TD\n",
        },
      };
    if (route === "runs") return { body: page(runs, query) };
    if (head !== "runs") return undefined;
    const run = runOf(id);
    if (method === "DELETE") return { status: 204 };
    if (tail === "") return { body: run };
    if (tail === "events") return { body: { items: eventsOf(run) } };
    if (tail === "messages") return { body: messagesOf(run, query.get("step") ?? run.steps[0]!.id) };
    if (tail === "model") return { body: modelCallsOf(run) };
    if (tail === "cancel") return { body: { stopped: 3, givenUp: 0, dropped: 2 } };
    if (tail === "again") {
      const { from, allowWrites } = body as RunAgain;
      if (from !== undefined && allowWrites !== true)
        return {
          status: 428,
          body: {
            error: {
              code: "WRITES_UNCONFIRMED",
              message: 'Node "refund" writes: confirm that it may run',
              details: { nodes: ["refund"] },
            },
          },
        };
      return { body: { runId: "run-again" } };
    }
    if (tail === "test") return { body: testMade(body as { write?: boolean; runForReal?: readonly string[] }) };
    return undefined;
  }

  function runOf(id: string) {
    const known = runs.find((run) => run.id === id);
    return supportRun(id, known?.startedAt ?? NOW - 5_000, known?.state ?? "completed");
  }

  function compareView() {
    const [a, b] = [supportRun("run-3001f0ec", NOW - 60_000), supportRun("run-again", NOW - 5_000)];
    const rows = a.steps.map((step, row) => ({
      node: step.node,
      a: step,
      ...(row !== 2 && { b: b.steps[row]! }),
      differs: row === 2 ? ["path"] : row === 4 ? ["payload"] : [],
    }));
    return { a, b, rows, first: { row: 2, kind: "path", text: "The second run has no failed attempt at orders" } };
  }

  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    wide,
    asked,
    tell,
    close: async () => {
      clearInterval(timer);
      for (const stream of streams) stream.end();
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      server.closeAllConnections();
      await closed.promise;
    },
  };
}

/** Streams the seeds of a simulation: one of 97 fails, one of five has a fault. */
function simulate(response: ServerResponse, { seeds = 100, from = 1 }: NewSimulation): void {
  response.writeHead(200, { "content-type": "text/event-stream" });
  const tell = (item: SimulationItem): unknown =>
    response.write(`event: ${item.type}\ndata: ${JSON.stringify(item)}\n\n`);
  tell({ type: "start", id: "s1", file: "src/shop.sim.ts", seeds });
  let failed = 0;
  for (let seed = from; seed < from + seeds; seed++) {
    const isGood = seed % 97 !== 0;
    if (!isGood) failed++;
    const run = { flow: "support", id: `seed-${seed}` };
    const faults = seed % 5 === 0 ? ["the shop is away"] : [];
    tell({ type: "seed", seed, isGood, faults, ...(!isGood && { message: "The order was refunded twice", run }) });
  }
  tell({ type: "end", failed, never: ["the clock jumps"] });
  response.end();
}

interface Answer {
  readonly status?: number;
  readonly body?: unknown;
}

const SCHEMA = { type: "object", properties: { text: { type: "string", minLength: 1 } }, required: ["text"] };

function summary(name: string, nodes: number): FlowSummary {
  return {
    name,
    kind: "flow",
    exported: name,
    takesText: name === "support",
    isDurable: false,
    nodeCount: nodes,
    findingCount: 0,
    openPauses: 0,
  };
}

function projectView(): ProjectView {
  return {
    name: "my-agent",
    versions: { penguiflow: "0.1.0", cli: "0.1.0", node: "24.21.0" },
    flows: [summary("support", 7), summary("wide", 50)],
    state: "ready",
    reload: { at: NOW, ms: 220, files: [], generation: 1, draining: 0 },
    isReadOnly: false,
  };
}

/** Filters and pages as the server does: two hundred a page. */
function page(runs: readonly RunSummary[], query: URLSearchParams) {
  const size = Number(query.get("limit") ?? 200);
  const wanted = runs.filter(
    (run) =>
      (["flow", "state", "tenant"] as const).every((key) => !query.has(key) || query.get(key) === run[key]) &&
      (!query.has("code") || run.error?.code === query.get("code")) &&
      (!query.has("node") || run.error?.node === query.get("node")) &&
      (!query.has("q") ||
        `${run.input} ${run.output} ${run.error?.message}`.toLowerCase().includes(query.get("q")!.toLowerCase())),
  );
  const start = Number(query.get("cursor") ?? 0);
  const next = start + size < wanted.length ? { next: String(start + size) } : {};
  return { items: wanted.slice(start, start + size), ...next };
}

function testMade({ write, runForReal = [] }: { write?: boolean; runForReal?: readonly string[] }): TestMade {
  const replayed = [
    { node: "orders", why: "it reads: gives what it gave, the failed attempt included" },
    { node: "policies", why: "it reads: gives what it gave" },
    { node: "refund", why: "it writes: gives what it gave" },
  ].filter(({ node }) => !runForReal.includes(node));
  return {
    path: "test/support-run-3001f0ec.test.ts",
    runner: "vitest",
    text: `import { expect, test } from "vitest";\nimport { faultPlan, runOne } from "penguiflow/testing";\nimport { support } from "../src/flows.ts";\n\ntest("support answers as in run-3001f0ec", async () => {\n  const outcome = await runOne(support, { text: "Where is order 4471?" });\n  expect(outcome.status).toBe("completed");\n});\n`,
    replayed,
    proof: { passes: true, failsWhenBroken: true, output: "1 passed" },
    isWritten: write === true,
  };
}

async function readBody(request: AsyncIterable<Buffer>): Promise<unknown> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part);
  const text = Buffer.concat(parts).toString();
  return text === "" ? undefined : JSON.parse(text);
}
