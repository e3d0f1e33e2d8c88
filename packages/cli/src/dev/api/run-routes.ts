import { once } from "node:events";
import type {
  CancelReport,
  Page,
  RunStarted,
  RunStreamItem,
  RunSummary,
  RunView,
  Steered,
  StepView,
} from "@penguiflow/playground/protocol";
import { ApiError } from "../server/api-error.ts";
import { Fields, readObject } from "../server/body.ts";
import { SAFE_HEADERS } from "../server/reply.ts";
import { type Call, type Route, route, WRITTEN } from "../server/router.ts";
import type { OpenRun } from "../runs/runs.ts";
import type { RunFilter } from "../store/run-rows.ts";
import type { Child } from "../supervisor/child.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import { LiveStream } from "./live-stream.ts";
import { makeTest } from "../make-test/make-test.ts";
import { compareRuns } from "./compare-runs.ts";
import { runAgain } from "./run-again.ts";
import { eventsOf, messagesOf, modelCallsOf } from "./run-details.ts";
import { beginRun } from "./run-starter.ts";

/** Runs that one request may begin. */
const MAX_COUNT = 10_000;

/** Routes that begin, show and end runs. */
export function runRoutes(supervisor: Supervisor): Route[] {
  const { runs, pauses, entries } = supervisor;
  const named = (query: URLSearchParams, name: string): OpenRun => runs.get(...partsOf(query.get(name) ?? ""));
  const get = ({ params }: Call): OpenRun => runs.get(params["flow"]!, params["id"]!);
  return [
    route(
      "POST /flows/:flow/runs",
      async ({ request, params }) => await startRuns(supervisor, params["flow"]!, await readObject(request)),
    ),
    route("GET /runs", ({ query }): Page<RunSummary> => {
      const { runs: found, next } = runs.rows.list(filterOf(query));
      return {
        items: found.map(({ summary, place }) => ({ ...summary, openPauses: pauses.list(place).length })),
        ...(next !== undefined && { next }),
      };
    }),
    route("GET /runs/export", async (call) => await exportRuns(supervisor, call)),
    route("GET /runs/:flow/:id", (call) => viewOf(supervisor, get(call))),
    route("DELETE /runs/:flow/:id", (call) => {
      const open = get(call);
      if (runs.goesOn(open)) throw new ApiError("RUN_OPEN", "The run goes on: cancel it first");
      runs.rows.delete(open.key);
    }),
    route("GET /runs/:flow/:id/messages", (call) => messagesOf(supervisor, get(call), stepOf(call))),
    route("GET /runs/:flow/:id/model", (call) =>
      modelCallsOf(supervisor, get(call), call.query.get("step") ?? undefined),
    ),
    route("GET /runs/:flow/:id/events", (call) =>
      eventsOf(supervisor, get(call), call.query.get("cursor") ?? undefined),
    ),
    route("GET /runs/:flow/:id/stream", (call) => {
      streamRun(supervisor, get(call), call);
      return WRITTEN;
    }),
    route("POST /runs/:flow/:id/cancel", async (call): Promise<CancelReport> => {
      const { place } = get(call).run;
      if (entries.drop(place.flow, place.runId)) {
        runs.endHeld(place, "cancelled");
        return { stopped: 0, givenUp: 0, dropped: 1 };
      }
      const { run, child } = goingOn(get(call));
      return await child.ask({ type: "cancel", ...run.place });
    }),
    route("POST /runs/:flow/:id/steer", async (call): Promise<Steered> => {
      const { place } = get(call).run;
      if (entries.has(place.flow, place.runId))
        throw new ApiError("FLOW_NOT_RUNNING", "The run has not begun: its message waits at a held entry");
      const { run, child } = goingOn(get(call));
      const text = new Fields(await readObject(call.request), ["text"]).text("text");
      if (text.trim() === "") throw new ApiError("INPUT_INVALID", "The message is empty");
      await child.ask({ type: "steer", ...run.place, text });
      runs.note(run.place, { at: Date.now(), kind: "steer", text });
      return { queued: run.queued };
    }),
    route(
      "POST /runs/:flow/:id/again",
      async (call) => await runAgain(supervisor, get(call), await readObject(call.request)),
    ),
    route("POST /runs/:flow/:id/test", async (call) => {
      const fields = new Fields(await readObject(call.request), ["runner", "write", "runForReal"]);
      const runner = fields.choice("runner", ["vitest", "node:test"]);
      const wish = { write: fields.flag("write"), runForReal: fields.texts("runForReal"), ...(runner && { runner }) };
      return await makeTest(supervisor, get(call), wish);
    }),
    route("GET /compare", ({ query }) => compareRuns(supervisor, named(query, "a"), named(query, "b"))),
    route("GET /pauses", ({ query }) => {
      const [flow, runId, thread] = ["flow", "run", "thread"].map((name) => query.get(name) ?? undefined);
      const items = pauses.list({ flow, runId }).map((pause) => withThread(supervisor, pause));
      return { items: items.filter((pause) => thread === undefined || pause.thread === thread) };
    }),
    route("POST /pauses/:id", async ({ request, params }) => {
      const { view, token, child } = pauses.get(params["id"]!);
      const fields = new Fields(await readObject(request), ["value"]);
      const { flow, runId, tenant } = view;
      await child.ask({ type: "resume", flow, runId, tenant, token, value: fields.any("value") });
      pauses.close(view.id);
      runs.waitsChanged({ flow, runId, tenant });
      supervisor.feed.tell({ type: "pause", open: pauses.size });
    }),
  ];
}

async function startRuns(
  supervisor: Supervisor,
  flow: string,
  body: Readonly<Record<string, unknown>>,
): Promise<RunStarted> {
  const fields = new Fields(body, ["input", "tenant", "timeoutMs", "count", "rate"]);
  const tenant = fields.optionalText("tenant");
  if (tenant === "") throw new ApiError("INPUT_INVALID", "A tenant has a name");
  const wish = { flow, input: fields.any("input"), tenant, timeoutMs: fields.integer("timeoutMs", 1, 2 ** 31 - 1) };
  if (!fields.has("input")) throw new ApiError("INPUT_MALFORMED", 'Field "input" is missing');
  const count = fields.integer("count", 1, MAX_COUNT) ?? 1;
  const rate = fields.integer("rate", 1, MAX_COUNT);
  // all have the same input: the first tells of its faults
  const runId = await beginRun(supervisor, wish);
  for (let index = 1; index < count; index += 1) {
    const begin = (): void => void beginRun(supervisor, wish).catch(() => {});
    if (rate === undefined) begin();
    else setTimeout(begin, (index * 1_000) / rate).unref();
  }
  return { runId };
}

/** @throws ApiError `RUN_ENDED` */
function goingOn(open: OpenRun): OpenRun & { readonly child: Child } {
  const { child, run } = open;
  if (child === undefined || run.isOver) throw new ApiError("RUN_ENDED", "The run has ended");
  return { ...open, child };
}

function stepOf({ query }: Call): string {
  const step = query.get("step");
  if (step === null) throw new ApiError("INPUT_MALFORMED", "The step is missing: ?step=");
  return step;
}

/** Returns a run with its pauses, and with what its graph says of its nodes. */
function viewOf(supervisor: Supervisor, open: OpenRun): RunView {
  const { run } = open;
  const { flow, runId } = run.place;
  const pauses = supervisor.pauses.list({ flow, runId }).map((pause) => withThread(supervisor, pause));
  const view = run.view();
  const effects = new Map(supervisor.graphOf(flow)?.nodes.map((node) => [node.name, node.effects]));
  // a planner's nodes read the log of their run, which another run does not have
  const isPlanner = run.begun?.isPlanner === true;
  const steps = view.steps.map((step): StepView => {
    const known = step.path.length === 0 ? effects.get(step.node) : undefined;
    return {
      ...step,
      canRunAgain: step.canRunAgain && !isPlanner,
      ...(known !== undefined && { effects: known }),
    };
  });
  return { ...view, ...supervisor.runs.summaryOf(open), steps, pauses };
}

function withThread<Pause extends { readonly flow: string; readonly runId: string }>(
  { runs }: Supervisor,
  pause: Pause,
): Pause & { readonly thread?: string } {
  const thread = runs.rows.find(pause.flow, pause.runId)?.summary.thread;
  return thread === undefined ? pause : { ...pause, thread };
}

function streamRun(supervisor: Supervisor, open: OpenRun, { response }: Call): void {
  const { runs, pauses } = supervisor;
  const { run } = open;
  const { flow, runId } = run.place;
  const listPauses = () => pauses.list({ flow, runId }).map((pause) => withThread(supervisor, pause));
  let shown = listPauses()
    .map(({ id }) => id)
    .join();
  const live = new LiveStream<RunStreamItem>(
    response,
    () => ({
      type: "snapshot",
      run: runs.summaryOf({ run }),
      parts: run.parts,
      steps: run.steps,
      pauses: listPauses(),
    }),
    () => stop(),
  );
  const end = (): void => {
    stop();
    live.send({ type: "end", run: runs.summaryOf({ run }) });
    live.close();
  };
  const stop = runs.listen(run.place, ({ parts, steps, isOther }) => {
    for (const change of parts)
      live.send("part" in change ? { type: "part", ...change } : { type: "delta", ...change });
    for (const step of steps) live.send({ type: "step", step });
    if (!isOther) return;
    const waiting = listPauses();
    const ids = waiting.map(({ id }) => id).join();
    if (ids !== shown) live.send({ type: "pauses", pauses: waiting });
    shown = ids;
    if (run.isOver) end();
    else live.send({ type: "run", run: runs.summaryOf({ run }) });
  });
  if (run.isOver) end();
}

async function exportRuns(supervisor: Supervisor, { query, response, gone }: Call): Promise<typeof WRITTEN> {
  response.writeHead(200, {
    ...SAFE_HEADERS,
    "content-type": "application/jsonl",
    "content-disposition": 'attachment; filename="runs.jsonl"',
  });
  for (const open of chosenRuns(supervisor, query)) {
    const run = viewOf(supervisor, open);
    const messages = run.steps.map(({ id }) => messagesOf(supervisor, open, id));
    if (!response.write(`${JSON.stringify({ run, messages })}\n`))
      await once(response, "drain", { signal: gone }).catch(() => {});
    if (gone.aborted) break;
  }
  response.end();
  return WRITTEN;
}

/** Returns the parts of `FLOW/ID`. */
function partsOf(name: string): [flow: string, run: string] {
  const at = name.lastIndexOf("/");
  return [name.slice(0, at), name.slice(at + 1)];
}

function* chosenRuns({ runs }: Supervisor, query: URLSearchParams): Generator<OpenRun> {
  const ids = query.getAll("id");
  for (const id of ids) yield runs.get(...partsOf(id));
  if (ids.length > 0) return;
  const filter = filterOf(query);
  for (let cursor = filter.cursor; ;) {
    const { runs: page, next } = runs.rows.list({ ...filter, limit: 50, cursor });
    for (const { place } of page) yield runs.get(place.flow, place.runId);
    if (next === undefined) return;
    cursor = next;
  }
}

/** @throws ApiError `INPUT_MALFORMED` */
function filterOf(query: URLSearchParams): RunFilter {
  const text = (name: string): string | undefined => query.get(name) ?? undefined;
  const number = (name: string): number | undefined => {
    const given = text(name);
    if (given === undefined) return undefined;
    const value = Number(given);
    if (!Number.isFinite(value) || value < 0)
      throw new ApiError("INPUT_MALFORMED", `"${name}" must be a number: got "${given}"`);
    return value;
  };
  const cursor = text("cursor");
  if (cursor !== undefined && !/^\d+\.\d+$/.test(cursor))
    throw new ApiError("INPUT_MALFORMED", "The cursor is none of this list");
  return {
    flow: text("flow"),
    state: text("state"),
    node: text("node"),
    code: text("code"),
    tenant: text("tenant"),
    thread: text("thread"),
    q: text("q"),
    from: number("from"),
    to: number("to"),
    limit: number("limit"),
    cursor,
  };
}
