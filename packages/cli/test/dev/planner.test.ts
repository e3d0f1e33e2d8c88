import type {
  MemoryView,
  ModelCallView,
  Page,
  PauseView,
  RunStarted,
  RunView,
  ThreadItem,
  ThreadSummary,
  ThreadView,
  ToolsView,
} from "@penguiflow/playground/protocol";
import { afterAll, beforeAll, expect, test } from "vitest";
import { projectFiles } from "../../src/new/project-files.ts";
import { DevProject } from "./dev-project.ts";

let project: DevProject;

const REMEMBERS = `
import { createPlanner } from "@penguiflow/planner";
import { MemoryLog } from "penguiflow";
import { model } from "./model.ts";
import { findOrder, refund } from "./tools.ts";

export const agent = createPlanner({
  name: "support",
  model,
  instructions: "You help customers of a shop.",
  tools: [findOrder, refund],
  memory: { store: new MemoryLog(), turns: 2 },
});
`;

beforeAll(async () => {
  // the memory stands in the prompt, where the script of the template would take it for the question
  const model = projectFiles("react", "scratch").get("src/script.ts")!.replace("/refund|back/i", "/Refund order/");
  project = await DevProject.start({ "src/agent.ts": REMEMBERS, "src/script.ts": model }, "react");
});
afterAll(async () => {
  await project[Symbol.asyncDispose]();
});

async function newThread(): Promise<string> {
  return (await project.api<ThreadSummary>("POST", "/threads", { flow: "support" })).body.id;
}

/** Says something in a thread, and waits until its run ends or asks. */
async function say(thread: string, text: string): Promise<string> {
  const { runId } = (await project.api<RunStarted>("POST", `/threads/${thread}/messages`, { text })).body;
  await project.follow("support", runId, (item) => "pauses" in item && item.pauses.length > 0);
  return runId;
}

const threadOf = async (id: string) => (await project.api<ThreadView>("GET", `/threads/${id}`)).body;
const runOf = async (id: string) => (await project.api<RunView>("GET", `/runs/support/${id}`)).body;

test("a thread has its messages, the answers in parts, and a title", async () => {
  const id = await newThread();
  await say(id, "Where is order 4471?");
  await say(id, "And order 4472?");
  const { title, turnCount, state, turns } = await threadOf(id);
  expect({ title, turnCount, state }).toEqual({ title: "Where is order 4471?", turnCount: 2, state: "completed" });
  expect(turns[0]!.parts).toMatchObject([
    { type: "call", tool: "find_order", args: { order: "4471" }, state: "done", output: { euros: 49.9 } },
    { type: "text", text: "Order 4471 is on its way, with you on Tuesday." },
  ]);
  expect(turns[1]!.run.tokens).toEqual({ in: 20, out: 10 });
});

test("a thread is followed live, and from its whole when somebody comes later", async () => {
  const id = await newThread();
  const items: ThreadItem[] = [];
  for await (const item of project.events<ThreadItem>(`/threads/${id}/events`)) {
    items.push(item);
    if (item.type === "thread") await project.api("POST", `/threads/${id}/messages`, { text: "Where is order 4471?" });
    if (item.type === "turn" && item.turn.run.state === "completed") break;
  }
  expect(items[0]).toMatchObject({ type: "thread", thread: { id, turns: [] } });
  expect(items.some((item) => item.type === "part" && item.part.type === "call")).toBe(true);
  const later = await project.events<ThreadItem>(`/threads/${id}/events`).next();
  expect(later.value).toMatchObject({
    type: "thread",
    thread: { turns: [{ parts: [{ type: "call" }, { type: "text" }] }] },
  });
});

test("a question holds the thread until it is answered, with changed arguments if the person likes", async () => {
  const id = await newThread();
  const runId = await say(id, "Refund order 4471");
  const [pause] = (await project.api<Page<PauseView>>("GET", `/pauses?thread=${id}`)).body.items;
  expect(pause).toMatchObject({
    kind: "approval",
    tool: "refund",
    effects: "writes",
    args: { order: "4471", euros: 49.9 },
    thread: id,
    callId: "2.0",
  });
  expect(await project.refusal("POST", `/threads/${id}/messages`, { text: "Hello?" })).toBe("PAUSE_OPEN");
  expect(await project.refusal("POST", `/pauses/${pause!.id}`, { value: "yes" })).toBe("RESUME_INVALID");
  expect(await project.refusal("POST", `/pauses/${pause!.id}`, { value: { approved: true, args: { order: 1 } } })).toBe(
    "RESUME_INVALID",
  );
  expect(
    (
      await project.api("POST", `/pauses/${pause!.id}`, {
        value: { approved: true, args: { order: "4471", euros: 10 } },
      })
    ).status,
  ).toBe(204);
  await project.follow("support", runId);
  const { parts } = (await threadOf(id)).turns[0]!;
  expect(parts[1]).toMatchObject({
    type: "call",
    tool: "refund",
    state: "done",
    output: "10.00 € are paid back for order 4471",
  });
});

test("the exact calls of the model are kept, each with its step", async () => {
  const run = await runOf(await say(await newThread(), "Where is order 4471?"));
  const calls = (await project.api<ModelCallView[]>("GET", `/runs/support/${run.id}/model`)).body;
  expect(calls.map(({ call, model, tokens }) => [call, model, tokens])).toEqual([
    [1, "scripted", { in: 10, out: 5 }],
    [2, "scripted", { in: 10, out: 5 }],
  ]);
  const { request, reply, step } = calls[0]!;
  expect(JSON.stringify(request)).toContain("You help customers of a shop.");
  expect(reply).toMatchObject([{ type: "tool-call", toolName: "find_order" }]);
  expect(run.steps.find(({ id }) => id === step)?.node).toBe("model");
  expect(run.results).toEqual(["Order 4471 is on its way, with you on Tuesday."]);
  expect(run.steps.some(({ canRunAgain }) => canRunAgain)).toBe(false);
  const ofStep = await project.api<ModelCallView[]>(
    "GET",
    `/runs/support/${run.id}/model?step=${encodeURIComponent(step)}`,
  );
  expect(ofStep.body).toHaveLength(1);
});

test("the tools are listed with what they do, and how often they were called", async () => {
  await say(await newThread(), "Where is order 4471?");
  const { tools } = (await project.api<ToolsView>("GET", "/tools")).body;
  expect(tools).toMatchObject([
    { name: "find_order", flow: "support", source: "code", effects: "reads", approval: "never", errors: 0 },
    { name: "refund", effects: "writes", approval: "always", inputSchema: { properties: { euros: {} } } },
  ]);
  expect(tools[0]!.calls).toBeGreaterThan(0);
});

test("a tool is tried as a run of its own; one that writes is confirmed, and asks as ever", async () => {
  const call = async (name: string, body: object) =>
    await project.api<RunStarted>("POST", `/tools/${name}/call`, { flow: "support", ...body });
  const { runId } = (await call("find_order", { args: { order: "4472" } })).body;
  await project.follow("support", runId);
  expect(await runOf(runId)).toMatchObject({
    state: "completed",
    inputValue: { tool: "find_order", args: { order: "4472" } },
    parts: [{ type: "call", state: "done", output: { item: "a lantern" } }, { type: "text" }],
  });
  const wrong = (await call("find_order", { args: { order: 1 } })).body.runId;
  await project.follow("support", wrong);
  expect((await runOf(wrong)).parts[0]).toMatchObject({
    type: "call",
    state: "failed",
    error: expect.stringContaining("ARGUMENTS_INVALID") as string,
  });
  expect(await project.refusal("POST", "/tools/refund/call", { flow: "support", args: {} })).toBe("WRITES_UNCONFIRMED");
  expect(await project.refusal("POST", "/tools/none/call", { flow: "support", args: {} })).toBe("TOOL_UNKNOWN");
  const paid = (await call("refund", { args: { order: "4471", euros: 1 }, allowWrites: true })).body.runId;
  await project.follow("support", paid, (item) => "pauses" in item && item.pauses.length > 0);
  const [pause] = (await project.api<Page<PauseView>>("GET", `/pauses?run=${paid}`)).body.items;
  await project.api("POST", `/pauses/${pause!.id}`, { value: { approved: true } });
  expect((await project.follow("support", paid)).at(-1)).toMatchObject({ type: "end", run: { state: "completed" } });
});

test("what a thread remembers is shown, kept over a reload, and goes with a fork", async () => {
  const id = await newThread();
  for (const order of ["4471", "4472", "4473"]) await say(id, `Where is order ${order}?`);
  const memoryOf = async (thread: string) => (await project.api<MemoryView>("GET", `/threads/${thread}/memory`)).body;
  const kinds = async (thread: string) => (await memoryOf(thread)).items.map(({ kind }) => kind);
  expect(await kinds(id)).toEqual(["dropped", "turn", "turn"]);
  const { generation } = project.server.supervisor;
  await project.feed(
    () => project.scratch.write({ "src/agent.ts": `${REMEMBERS}// saved` }),
    (item): item is typeof item => item.type === "reload" && item.reload.generation > generation,
  );
  await say(id, "Where is order 4471?");
  expect((await memoryOf(id)).items.map(({ text }) => /order (\d+)/.exec(text)?.[1])).toEqual([
    "4471",
    "4472",
    "4473",
    "4471",
  ]);
  const fork = (await project.api<ThreadSummary>("POST", "/threads", { flow: "support", forkOf: { id, turn: 1 } }))
    .body;
  expect(fork).toMatchObject({ turnCount: 1, title: "Where is order 4471?" });
  await say(fork.id, "Where is order 4472?");
  expect((await memoryOf(fork.id)).items.map(({ text }) => /order (\d+)/.exec(text)?.[1])).toEqual(["4471", "4472"]);
});

test("what is remembered is edited and forgotten: the next model call sees it so, also after a reload", async () => {
  const id = await newThread();
  for (const order of ["4471", "4472"]) await say(id, `Where is order ${order}?`);
  const memoryOf = async () => (await project.api<MemoryView>("GET", `/threads/${id}/memory`)).body.items;
  const [first] = await memoryOf();
  const edit = { user: "Where is it?", answer: "It came." };
  expect((await project.api("PUT", `/threads/${id}/memory/${first!.at}`, edit)).status).toBe(204);
  const [edited, second] = await memoryOf();
  expect([edited?.edit, edited?.text]).toEqual([edit, expect.stringContaining("It came.") as string]);
  expect(await project.refusal("PUT", `/threads/${id}/memory/${first!.at}`, edit)).toBe("INPUT_INVALID");
  expect((await project.api("DELETE", `/threads/${id}/memory/${second!.at}`)).status).toBe(204);
  expect((await memoryOf()).map((item) => item.edit)).toEqual([edit]);
  const { generation } = project.server.supervisor;
  await project.feed(
    () => project.scratch.write({ "src/agent.ts": `${REMEMBERS}// saved again` }),
    (item): item is typeof item => item.type === "reload" && item.reload.generation > generation,
  );
  const run = await say(id, "Where is order 4473?");
  const [call] = (await project.api<ModelCallView[]>("GET", `/runs/support/${run}/model`)).body;
  expect(JSON.stringify(call?.request)).toContain("It came.");
  expect(JSON.stringify(call?.request)).not.toContain("4472");
});

test("half-written forms are kept until they are removed", async () => {
  const key = encodeURIComponent("approval/1");
  expect((await project.api("GET", `/drafts/${key}`)).body).toEqual({ value: null });
  await project.api("PUT", `/drafts/${key}`, { value: { euros: "1" } });
  expect((await project.api("GET", `/drafts/${key}`)).body).toEqual({ value: { euros: "1" } });
  await project.api("PUT", `/drafts/${key}`, { value: null });
  expect((await project.api("GET", `/drafts/${key}`)).body).toEqual({ value: null });
});

test("a thread is deleted with its runs", async () => {
  const id = await newThread();
  const runId = await say(id, "Where is order 4471?");
  expect((await project.api("DELETE", `/threads/${id}`)).status).toBe(204);
  expect(await project.refusal("GET", `/threads/${id}`)).toBe("THREAD_UNKNOWN");
  expect(await project.refusal("GET", `/runs/support/${runId}`)).toBe("RUN_UNKNOWN");
});
