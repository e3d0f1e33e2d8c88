import {
  DEFAULT_TENANT,
  type FlowEvent,
  readHistory,
  type StateStore,
  type TraceQuery,
  type TraceSummary,
} from "penguiflow";
import type {
  FeedItem,
  Page,
  ProjectView,
  RunEvent,
  RunStreamItem,
  RunSummary,
  RunView,
  StepMessages,
} from "@penguiflow/playground/protocol";
import { VERSION } from "../../own-package.ts";
import { RunBuilder } from "../runs/run-builder.ts";
import { ApiError } from "../server/api-error.ts";
import { EventStream } from "../server/event-stream.ts";
import { type Call, type Route, route, WRITTEN } from "../server/router.ts";

/** Rows of a page at most. */
const MAX_PAGE = 200;

/** Routes that show what a state store has kept: events without payloads. Nothing is changed. */
export function storeRoutes(store: StateStore, place: string): Route[] {
  const empty = (): Page<never> => ({ items: [] });
  return [
    route("GET /project", (): ProjectView => ({
      name: place,
      versions: { penguiflow: VERSION, cli: VERSION, node: process.versions.node },
      flows: [],
      state: "ready",
      isReadOnly: true,
    })),
    route("GET /flows", () => []),
    route("GET /lint", () => []),
    route("GET /tools", () => ({ tools: [], sources: [] })),
    route("GET /simulate", () => ({ files: [] })),
    route("GET /threads", empty),
    route("GET /pauses", empty),
    route("GET /drafts/:key", () => ({ value: null })),
    route("GET /events", ({ response }) => {
      const hello: FeedItem = { type: "hello", seq: 0, generation: 0, isGap: false };
      new EventStream(response, { onDrained: () => {}, onClose: () => {} }).send(hello);
      return WRITTEN;
    }),
    route("GET /runs", async ({ query }) => await listRuns(store, query)),
    route("GET /runs/:flow/:id", async (call): Promise<RunView> => {
      const { run, summary } = await readRun(store, call);
      return { ...run.view(), ...summary, pauses: [], isWhole: false };
    }),
    route("GET /runs/:flow/:id/events", async (call): Promise<Page<RunEvent>> => {
      const { events } = await readRun(store, call);
      return { items: events.map((event, index) => ({ seq: event.seq ?? index, at: event.at, event })) };
    }),
    route("GET /runs/:flow/:id/model", () => []),
    route("GET /runs/:flow/:id/messages", async (call): Promise<StepMessages> => {
      const { run, events } = await readRun(store, call);
      const step = run.steps.find(({ id }) => id === call.query.get("step"));
      if (step === undefined) throw new ApiError("RUN_UNKNOWN", "The run has no such step");
      const own = events.filter(
        (event) => "attempt" in event && event.node === step.node && event.attempt === step.attempt,
      );
      return { step: step.id, outputs: [], chunks: [], logs: [], events: own };
    }),
    route("GET /runs/:flow/:id/stream", async (call) => {
      const { run, summary } = await readRun(store, call);
      const stream = new EventStream(call.response, { onDrained: () => {}, onClose: () => {} });
      const snapshot: RunStreamItem = { type: "snapshot", run: summary, parts: [], steps: run.steps, pauses: [] };
      stream.send(snapshot);
      const end: RunStreamItem = { type: "end", run: summary };
      stream.send(end);
      stream.close();
      return WRITTEN;
    }),
  ];
}

async function listRuns(store: StateStore, query: URLSearchParams): Promise<Page<RunSummary>> {
  const text = (name: string): string | undefined => query.get(name) ?? undefined;
  const instant = (name: string): number | undefined => (query.has(name) ? Number(query.get(name)) : undefined);
  const state = text("state") as TraceQuery["state"];
  const { traces, cursor } = await store.listTraces({
    tenant: text("tenant") ?? DEFAULT_TENANT,
    state,
    node: text("node"),
    errorCode: text("code"),
    startedFrom: instant("from"),
    startedBefore: instant("to"),
    cursor: text("cursor"),
    limit: Math.min(Number(query.get("limit") ?? 50), MAX_PAGE),
  });
  const flow = text("flow");
  const items = traces.filter((trace) => flow === undefined || trace.flow === flow).map(summaryOf);
  return { items, ...(cursor !== undefined && { next: cursor }) };
}

function summaryOf({
  traceId,
  tenant,
  flow = "flow",
  state,
  startedAt,
  lastAt,
  node,
  errorCode,
}: TraceSummary): RunSummary {
  const isOver = state !== "running" && state !== "paused";
  return {
    id: traceId,
    flow,
    tenant,
    state,
    startedAt,
    input: "",
    retries: 0,
    openPauses: 0,
    ...(isOver && { endedAt: lastAt, durationMs: lastAt - startedAt }),
    ...(errorCode !== undefined && {
      error: { code: errorCode, message: errorCode, ...(node !== undefined && { node }) },
    }),
  };
}

/** @throws ApiError `RUN_UNKNOWN` */
async function readRun(store: StateStore, { params, query }: Call) {
  const [flow, traceId] = [params["flow"]!, params["id"]!];
  const tenant = query.get("tenant") ?? DEFAULT_TENANT;
  const run = new RunBuilder({ flow, runId: traceId, tenant }, false);
  const events: FlowEvent[] = [];
  for await (const { payload } of readHistory(store, { tenant, traceId })) {
    const event = payload as unknown as FlowEvent;
    events.push(event);
    run.add({ at: event.at, kind: "event", event });
  }
  if (events.length === 0) throw new ApiError("RUN_UNKNOWN", `The store has no events of "${traceId}"`);
  return { run, events, summary: run.summary() };
}
