// The project that the scripted server plays: a support agent, a flow that files documents, and a wide one under load.
import type {
  EdgeStats,
  FlowStats,
  FlowSummary,
  FlowView,
  GraphJson,
  LintView,
  ToolsView,
} from "../../src/protocol.ts";
import { wideGraph } from "../load/lifelike-flow.ts";
import { supportGraph } from "../load/support-run.ts";

function graph(names: readonly string[], edges: ReadonlyArray<readonly [from: string, to: string]>): GraphJson {
  const all = edges.map(([from, to]) => ({ from, to, kind: "forward" as const }));
  return {
    nodes: names.map((name) => ({
      name,
      kind: name === "merge" ? "join" : "node",
      isIngress: edges.some(([from, to]) => from === "OpenSea" && to === name),
      isEgress: edges.some(([from, to]) => to === "Rookery" && from === name),
      isController: false,
      policy: {},
    })),
    edges: all,
    rings: [],
  };
}

export const ingestGraph: GraphJson = graph(
  ["parse", "split", "title", "embed", "keywords", "merge", "rank", "store"],
  [
    ["OpenSea", "parse"],
    ["parse", "split"],
    ["split", "title"],
    ["split", "embed"],
    ["split", "keywords"],
    ["title", "merge"],
    ["embed", "merge"],
    ["keywords", "merge"],
    ["merge", "rank"],
    ["rank", "store"],
    ["store", "Rookery"],
  ],
);

const inputSchema = {
  type: "object",
  required: ["text"],
  properties: { text: { type: "string", minLength: 1, description: "The customer's message" } },
};

const documentSchema = {
  type: "object",
  required: ["title", "pages"],
  properties: {
    title: { type: "string" },
    pages: { type: "integer", minimum: 1, default: 3 },
    language: { enum: ["en", "de", "fr"], default: "en" },
    isPublic: { type: "boolean", default: false },
    tags: { type: "array", items: { type: "string" } },
  },
};

export const lint: readonly LintView[] = [
  {
    flow: "ingest",
    findings: [
      {
        rule: "retry-without-key",
        severity: "warning",
        nodes: ["store"],
        reason: 'Node "store" writes and is retried without an idempotency key: a retry stores a document twice',
        fix: "Pass ctx.idempotencyKey to the store, or wrap the call in ctx.once",
      } as unknown as LintView["findings"][number],
      {
        rule: "no-timeout",
        severity: "error",
        nodes: ["embed", "store"],
        reason: 'Node "embed" calls a remote service without a timeout: one call that hangs fills the edge before it',
        fix: "Set timeoutMs in the policy of the node",
      } as unknown as LintView["findings"][number],
    ],
  },
  { flow: "support", findings: [] },
];

/** Lists the flows of the project; `open` counts their open pauses. */
export function flowSummaries(open: (flow: string) => number): FlowSummary[] {
  const summary = (name: string, nodeCount: number, more: Partial<FlowSummary> = {}): FlowSummary => ({
    name,
    kind: "flow",
    exported: name,
    takesText: false,
    isDurable: false,
    nodeCount,
    findingCount: lint.find(({ flow }) => flow === name)?.findings.length ?? 0,
    openPauses: open(name),
    ...more,
  });
  return [
    summary("support", 7, { kind: "planner", takesText: true }),
    summary("ingest", ingestGraph.nodes.length),
    summary("wide", 50),
  ];
}

const graphs: Readonly<Record<string, GraphJson>> = { support: supportGraph, ingest: ingestGraph, wide: wideGraph() };
const inputSchemas: Readonly<Record<string, object>> = { support: inputSchema, ingest: documentSchema };

/** Describes a flow of the project; `stats` are its figures, if something happens in it. */
export function flowView(summary: FlowSummary, stats?: FlowStats): FlowView {
  const ofFlow = graphs[summary.name] ?? ingestGraph;
  return {
    ...summary,
    graph: ofFlow,
    findings: lint.find(({ flow }) => flow === summary.name)?.findings ?? [],
    inputSchema: inputSchemas[summary.name],
    stats: stats ?? idleStats(ofFlow),
    mermaid: `graph TD\n${ofFlow.edges.map(({ from, to }) => `  ${from} --> ${to}`).join("\n")}\n`,
  };
}

/** Figures of a flow in which nothing happens. */
function idleStats(of: GraphJson): FlowStats {
  return {
    traces: 0,
    waitingTraces: 0,
    accepted: 0,
    outcomes: { completed: 0, failed: 0, cancelled: 0, exhausted: 0, empty: 0, stopped: 0 },
    nodes: of.nodes.map(({ name }) => ({
      name,
      queued: 0,
      limited: 0,
      running: 0,
      concurrency: 4,
      blocked: 0,
      parked: 0,
      groups: [],
      lingering: 0,
      zombies: 0,
    })),
    edges: of.edges.map(({ from, to }): EdgeStats => ({ source: from, target: to, size: 0, capacity: 16, waiting: 0 })),
    limiters: [],
    unreadResults: 0,
    undeliveredOutcomes: 0,
    fetchers: 0,
    keptOutcomes: 0,
    droppedResults: 0,
    zombies: 0,
    lateResults: 0,
    timers: 0,
    observers: { dropped: 0, failed: 0, pending: 0 } as unknown as FlowStats["observers"],
  };
}

export const tools: ToolsView = {
  tools: [
    {
      name: "orders.get",
      flow: "support",
      source: "code",
      description: "Reads an order by its number.",
      inputSchema: {
        type: "object",
        required: ["id"],
        properties: { id: { type: "string", description: "Number of the order", pattern: "^[0-9]{4}$" } },
      },
      outputSchema: {
        type: "object",
        properties: { state: { enum: ["sent", "lost", "delivered"] }, eur: { type: "number" } },
      },
      effects: "reads",
      calls: 41,
      errors: 3,
      p95Ms: 284,
    },
    {
      name: "policies.search",
      flow: "support",
      source: "docs (MCP)",
      description: "Finds what the shop promises.",
      inputSchema: { type: "object", required: ["query"], properties: { query: { type: "string" } } },
      effects: "reads",
      calls: 38,
      errors: 0,
      p95Ms: 653,
    },
    {
      name: "refund.pay",
      flow: "support",
      source: "code",
      description: "Pays money back to a customer.",
      inputSchema: {
        type: "object",
        required: ["order", "eur"],
        properties: { order: { type: "string" }, eur: { type: "number", minimum: 0.01, maximum: 500 } },
      },
      effects: "writes",
      approval: "always",
      calls: 7,
      errors: 0,
      p95Ms: 12,
    },
  ],
  sources: [
    { name: "docs (MCP)", flow: "support", state: "listed" },
    {
      name: "crm (OpenAPI)",
      flow: "support",
      state: "failed",
      error: "Cannot reach http://127.0.0.1:8080/openapi.json: connection refused",
    },
    { name: "calendar", flow: "support", state: "sign-in", signIn: "calendar_sign_in" },
  ],
};
