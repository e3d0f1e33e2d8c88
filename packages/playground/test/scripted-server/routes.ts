import type { ServerResponse } from "node:http";
import type {
  Attachment,
  Draft,
  EntryChange,
  MemoryEdit,
  NewRun,
  NewSimulation,
  NewThread,
  NewThreadMessage,
  OpenFile,
  PauseAnswer,
  PauseView,
  Steer,
  ToolCall,
} from "../../src/protocol.ts";
import { flowView, lint, tools } from "./flows.ts";
import { compareView, generatedRun, pageOfRuns, simulate } from "./generated.ts";
import { Refusal } from "./refusal.ts";
import type { World } from "./world.ts";

/** Answers a request of the API. @returns the body; `undefined` for none; `response` itself for a stream */
export function routes(world: World, method: string, url: URL, body: unknown, response: ServerResponse): unknown {
  const [area = "", one, two, three] = url.pathname.slice("/api/".length).split("/").map(decodeURIComponent);
  if (method !== "GET" && method !== "PUT")
    world.asked.push({ route: `${method} ${decodeURIComponent(url.pathname.slice("/api/".length))}`, body });
  const summaries = world.project().flows;
  switch (`${method} ${area}`) {
    case "GET project":
      return world.project();
    case "GET events":
      world.readFeed(response);
      return response;
    case "GET flows": {
      const found = summaries.find(({ name }) => name === one);
      if (one === undefined) return summaries;
      if (found === undefined) throw new Refusal("FLOW_UNKNOWN", `There is no flow "${one}"`);
      return flowView(found, one === world.loadedName ? world.loaded.stats() : undefined);
    }
    case "POST flows": {
      if (two === "entry") return world.changeEntry(one ?? "", body as EntryChange);
      const { input, count = 1 } = body as NewRun;
      const runs = Array.from({ length: count }, () => world.startRun(one ?? "", textOf(input), input));
      return { runId: runs[0]?.summary.id };
    }
    case "GET pauses": {
      const keep = (pause: PauseView): boolean =>
        (["flow", "thread"] as const).every((name) => [null, pause[name]].includes(url.searchParams.get(name))) &&
        [null, pause.runId].includes(url.searchParams.get("run"));
      return { items: world.pauses().filter(keep) };
    }
    case "POST pauses":
      return answerPause(world, one ?? "", (body as PauseAnswer).value);
    case "GET drafts":
      return { value: world.drafts.get(one ?? "") ?? null };
    case "PUT drafts":
      world.drafts.set(one ?? "", (body as Draft).value);
      return undefined;
    case "GET tools":
      return tools;
    case "POST tools": {
      const { flow, args } = body as ToolCall;
      return { runId: world.startRun(flow, `${one} ${JSON.stringify(args)}`, args).summary.id };
    }
    case "POST sources":
      return undefined;
    case "GET lint":
      return lint;
    case "POST open":
      world.opened.push(body as OpenFile);
      return undefined;
    case "GET threads":
    case "POST threads":
    case "DELETE threads":
    case "PUT threads":
      return threadRoute(
        world,
        method,
        { id: one, part: two, at: three, q: url.searchParams.get("q") ?? "" },
        body,
        response,
      );
    case "GET compare":
      return compareView(world);
    case "GET simulate":
      return { files: [{ file: "src/shop.sim.ts", name: "shop" }] };
    case "POST simulate":
      simulate(response, body as NewSimulation);
      return response;
    case "GET runs":
    case "POST runs":
    case "DELETE runs":
      return runRoute(world, method, { id: two, part: three, url }, body, response);
    default:
      throw new Refusal("ROUTE_UNKNOWN", `There is no route ${method} ${url.pathname}`);
  }
}

function answerPause(world: World, id: string, value: unknown): undefined {
  const pause = world.pauses().find((open) => open.id === id);
  if (pause === undefined) throw new Refusal("PAUSE_USED", "The pause has been answered already");
  const eur = (value as { args?: { eur?: unknown } } | undefined)?.args?.eur;
  if (typeof eur === "number" && eur > 500) {
    throw new Refusal("RESUME_INVALID", "eur: expected at most 500, got " + String(eur), [
      { path: ["eur"], message: "expected at most 500" },
    ]);
  }
  if (world.runs.get(pause.runId)?.answer(id, value) !== true)
    throw new Refusal("PAUSE_USED", "The pause has been answered already");
  return undefined;
}

function threadRoute(
  world: World,
  method: string,
  { id, part, at, q }: Readonly<Record<"id" | "part" | "at", string | undefined>> & { readonly q: string },
  body: unknown,
  response: ServerResponse,
): unknown {
  if (id === undefined) {
    if (method === "GET") {
      const all = [...world.threads.values()].map((thread) => world.threadSummary(thread));
      const items = all.filter(({ title }) => title.includes(q));
      return { items: items.sort((one, other) => other.at - one.at) };
    }
    const { flow, forkOf } = body as NewThread;
    return world.threadSummary(world.newThread(flow, forkOf));
  }
  const thread = world.threads.get(id);
  if (thread === undefined) throw new Refusal("THREAD_UNKNOWN", `There is no thread "${id}"`);
  if (method === "DELETE" && part === undefined) {
    world.threads.delete(id);
    return undefined;
  }
  if (part === "events") {
    world.readThread(thread, response);
    return response;
  }
  if (part === "memory") {
    if (method === "GET") return world.memory(thread);
    world.changeMemory(Number(at), body as MemoryEdit | undefined);
    return undefined;
  }
  if (part === undefined) return world.threadView(thread);
  const state = thread.turns.at(-1)?.run.summary.state;
  if (state === "paused") throw new Refusal("PAUSE_OPEN", "The run waits for an answer");
  if (state === "running") throw new Refusal("RUN_OPEN", "A run of the thread goes on");
  const { text, attachments } = body as NewThreadMessage;
  const files = (attachments ?? []).map(({ name }: Attachment) => ` [${name}]`).join("");
  return { runId: world.say(thread, text + files).summary.id };
}

function runRoute(
  world: World,
  method: string,
  { id, part, url }: { readonly id: string | undefined; readonly part: string | undefined; readonly url: URL },
  body: unknown,
  response: ServerResponse,
): unknown {
  if (id === undefined) return pageOfRuns([...world.summaries(), ...world.generated], url.searchParams);
  if (method === "DELETE") return undefined;
  const run = world.runs.get(id);
  if (run === undefined) {
    if (world.generated.length > 0) return generatedRun(world, id, part, url.searchParams, body);
    throw new Refusal("RUN_UNKNOWN", `There is no run "${id}"`);
  }
  if (part === "stream") {
    world.readRun(run, response);
    return response;
  }
  if (part === "messages") return run.messages(url.searchParams.get("step") ?? "");
  if (part === "events") return { items: [] };
  if (part === "model") return [];
  if (method === "GET") return run.view();
  if (run.isOver) throw new Refusal("RUN_ENDED", "The run has ended");
  if (part === "cancel") return run.cancel();
  if (part === "steer") return { queued: world.steer(run, (body as Steer).text) };
  throw new Refusal("ROUTE_UNKNOWN", `There is no route ${method} ${url.pathname}`);
}

function textOf(input: unknown): string {
  if (typeof input === "object" && input !== null && "text" in input && typeof input.text === "string")
    return input.text;
  return JSON.stringify(input);
}
