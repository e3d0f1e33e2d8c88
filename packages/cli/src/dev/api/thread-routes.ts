import { randomUUID } from "node:crypto";
import type { Attachment, MemoryEdit, RunStarted, ThreadItem } from "@penguiflow/playground/protocol";
import type { RunListener } from "../runs/runs.ts";
import { ApiError } from "../server/api-error.ts";
import { Fields, readObject } from "../server/body.ts";
import { type Call, type Route, route, WRITTEN } from "../server/router.ts";
import type { StoredTurn } from "../store/thread-rows.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import { LiveStream } from "./live-stream.ts";
import { beginRun } from "./run-starter.ts";
import type { ThreadNews } from "./thread-news.ts";

const TENANT = "default";

/** Routes of the conversations. */
export function threadRoutes(supervisor: Supervisor, news: ThreadNews): Route[] {
  const { threads } = supervisor;
  return [
    route("GET /threads", ({ query }) =>
      threads.list({
        flow: query.get("flow") ?? undefined,
        q: query.get("q") ?? undefined,
        cursor: query.get("cursor") ?? undefined,
      }),
    ),
    route("POST /threads", async ({ request }) => {
      const fields = new Fields(await readObject(request), ["flow", "forkOf"]);
      const flow = supervisor.flow(fields.text("flow"));
      const thread = threads.create(flow.name, forkOf(fields));
      supervisor.feed.tell({ type: "thread", thread: thread.id, flow: thread.flow });
      return thread;
    }),
    route("GET /threads/:id", ({ params }) => threads.view(params["id"]!)),
    route("DELETE /threads/:id", ({ params }) => {
      const { id, flow } = threads.get(params["id"]!);
      threads.delete(id);
      supervisor.feed.tell({ type: "thread", thread: id, flow });
    }),
    route("POST /threads/:id/messages", async (call) => await say(supervisor, news, call)),
    route("GET /threads/:id/events", (call) => {
      follow(supervisor, news, call);
      return WRITTEN;
    }),
    route("GET /threads/:id/memory", async ({ params }) => {
      const { id, flow } = threads.get(params["id"]!);
      return await supervisor.child.ask({ type: "memory", flow, tenant: TENANT, thread: id });
    }),
    route("PUT /threads/:id/memory/:at", async (call) => {
      const fields = new Fields(await readObject(call.request), ["user", "answer", "summary"]);
      const edit = fields.has("summary")
        ? { summary: fields.text("summary") }
        : { user: fields.text("user"), answer: fields.text("answer") };
      await editMemory(supervisor, call, edit);
    }),
    route("DELETE /threads/:id/memory/:at", async (call) => await editMemory(supervisor, call, undefined)),
  ];
}

async function editMemory(
  { threads, child }: Supervisor,
  { params }: Call,
  edit: MemoryEdit | undefined,
): Promise<void> {
  const thread = threads.get(params["id"]!);
  const at = Number(params["at"]);
  if (!Number.isSafeInteger(at)) throw new ApiError("INPUT_MALFORMED", `A position is a number: got "${params["at"]}"`);
  const state = threads.last(thread)?.summary.state;
  if (state === "running" || state === "paused")
    throw new ApiError("RUN_OPEN", "A run of the thread goes on, and writes its memory when it ends");
  await child.ask({ type: "editMemory", flow: thread.flow, tenant: TENANT, thread: thread.id, at, edit });
}

function forkOf(fields: Fields): { readonly id: string; readonly turn: number } | undefined {
  const fork = fields.any("forkOf") as { readonly id?: unknown; readonly turn?: unknown } | undefined;
  if (fork === undefined) return undefined;
  if (typeof fork !== "object" || fork === null || typeof fork.id !== "string" || !Number.isSafeInteger(fork.turn))
    throw new ApiError("INPUT_MALFORMED", 'Field "forkOf" must be { id, turn }');
  return { id: fork.id, turn: fork.turn as number };
}

async function say(supervisor: Supervisor, news: ThreadNews, { request, params }: Call): Promise<RunStarted> {
  const { threads } = supervisor;
  const thread = threads.get(params["id"]!);
  const fields = new Fields(await readObject(request), ["text", "attachments"]);
  const text = fields.text("text");
  const attachments = fields.records("attachments").map(attachmentOf);
  if (text.trim() === "" && attachments.length === 0) throw new ApiError("INPUT_INVALID", "The message is empty");
  const { kind, takesText } = supervisor.flow(thread.flow);
  if (!takesText) throw new ApiError("INPUT_INVALID", `"${thread.flow}" takes no text`);
  if (kind === "flow" && attachments.length > 0)
    throw new ApiError("INPUT_INVALID", `"${thread.flow}" is a flow: a planner alone takes attachments`);
  const last = threads.last(thread)?.summary;
  if (last?.state === "running") throw new ApiError("RUN_OPEN", "A run of the thread goes on: steer it, or cancel it");
  if (last?.state === "paused")
    throw new ApiError("PAUSE_OPEN", "A run of the thread waits for an answer: give it, or cancel it");
  const runId = randomUUID();
  const shown = attachments.map(({ name, mediaType }) => ({ name, mediaType }));
  const turn = threads.rows.addTurn(thread.id, { run: runId, text, attachments: shown, at: Date.now() });
  try {
    await beginRun(
      supervisor,
      { flow: thread.flow, input: text, tenant: TENANT, thread: thread.id, attachments },
      runId,
    );
  } catch (error) {
    threads.rows.removeTurn(thread.id, turn);
    throw error;
  }
  supervisor.feed.tell({ type: "thread", thread: thread.id, flow: thread.flow });
  news.tell(thread.id);
  return { runId };
}

function attachmentOf({ name, mediaType, base64 }: Readonly<Record<string, unknown>>): Attachment {
  if (typeof name !== "string" || typeof mediaType !== "string" || typeof base64 !== "string")
    throw new ApiError("INPUT_MALFORMED", 'Each of "attachments" must be { name, mediaType, base64 }');
  return { name, mediaType, base64 };
}

/** Follows a thread: its turns as they come, and the run of the last one. */
function follow({ threads, runs }: Supervisor, news: ThreadNews, { response, params }: Call): void {
  const { id, flow } = threads.get(params["id"]!);
  let stopRun = (): void => {};
  let followed: string | undefined;
  const onChange =
    (turn: StoredTurn): RunListener =>
    ({ parts, isOther }) => {
      for (const change of parts)
        live.send(
          "part" in change
            ? { type: "part", turn: turn.turn, ...change }
            : { type: "delta", turn: turn.turn, ...change },
        );
      const view = isOther ? threads.turnView(flow, turn) : undefined;
      if (view !== undefined) live.send({ type: "turn", turn: view });
    };
  const followLast = (): StoredTurn | undefined => {
    const last = threads.rows.turns(id).at(-1);
    if (last === undefined || last.run === followed) return undefined;
    stopRun();
    followed = last.run;
    stopRun = runs.listen({ flow, runId: last.run, tenant: TENANT }, onChange(last));
    return last;
  };
  const stopNews = news.listen(id, () => {
    const turn = followLast();
    const view = turn && threads.turnView(flow, turn);
    if (view !== undefined) live.send({ type: "turn", turn: view });
  });
  const live = new LiveStream<ThreadItem>(
    response,
    () => (threads.rows.find(id) === undefined ? undefined : { type: "thread", thread: threads.view(id) }),
    () => {
      stopRun();
      stopNews();
    },
  );
  followLast();
}
