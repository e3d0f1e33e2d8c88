import type {
  EntryView,
  FeedItem,
  FlowSummary,
  Page,
  RunStarted,
  RunSummary,
  RunView,
  ThreadSummary,
  ThreadView,
} from "@penguiflow/playground/protocol";
import { expect, test } from "vitest";
import { DevProject } from "./dev-project.ts";

/** Code of a flow that answers with its input and a word. */
const says = (word: string): string => `
import { create, payloadNode } from "penguiflow";
export const flow = create(payloadNode("say", (text: string) => \`\${text} ${word}\`).to(), { name: "says" });
`;
const ENTRY = "/flows/says/entry";

async function send(project: DevProject, input: string): Promise<string> {
  return (await project.api<RunStarted>("POST", "/flows/says/runs", { input })).body.runId;
}

const change = async (project: DevProject, body: object) => (await project.api<EntryView>("POST", ENTRY, body)).body;
const runOf = async (project: DevProject, id: string) => (await project.api<RunView>("GET", `/runs/says/${id}`)).body;

test("messages wait at a held entry, go one by one in their order, and the rest when it opens", async () => {
  await using project = await DevProject.start({ "src/flows.ts": says("!") });
  expect(await change(project, { isHeld: true })).toEqual({ isHeld: true, waiting: 0 });
  const [first, second, third] = [await send(project, "1"), await send(project, "2"), await send(project, "3")];
  expect(await runOf(project, first)).toMatchObject({ state: "running", isHeld: true, steps: [] });
  expect((await project.api<FlowSummary[]>("GET", "/flows")).body[0]).toMatchObject({ held: 3 });
  await change(project, { letGo: "oldest" });
  await project.follow("says", first);
  expect(await runOf(project, first)).toMatchObject({ state: "completed", results: ["1 !"] });
  expect((await runOf(project, first)).isHeld).toBeUndefined();
  await change(project, { letGo: "run", run: third });
  await project.follow("says", third);
  expect(await runOf(project, second)).toMatchObject({ state: "running", isHeld: true });
  expect(await change(project, { isHeld: false })).toEqual({ isHeld: false, waiting: 0 });
  await project.follow("says", second);
  const { items } = (await project.api<Page<RunSummary>>("GET", "/runs")).body;
  expect(items.map(({ state, isHeld }) => [state, isHeld])).toEqual(items.map(() => ["completed", undefined]));
});

test("held messages outlast a save, and go to the newest code", async () => {
  await using project = await DevProject.start({ "src/flows.ts": says("old") });
  await change(project, { isHeld: true });
  const runId = await send(project, "hello");
  const isReload = (item: FeedItem): boolean => item.type === "reload" && item.reload.generation > 1;
  await project.feed(() => project.scratch.write({ "src/flows.ts": says("new") }), isReload);
  expect(await runOf(project, runId)).toMatchObject({ state: "running", isHeld: true });
  await change(project, { isHeld: false });
  await project.follow("says", runId);
  expect((await runOf(project, runId)).results).toEqual(["hello new"]);
});

test("a held message is cancelled without having begun; a run that is held cannot be deleted", async () => {
  await using project = await DevProject.start({ "src/flows.ts": says("!") });
  await change(project, { isHeld: true });
  const runId = await send(project, "hello");
  expect(await project.refusal("DELETE", `/runs/says/${runId}`)).toBe("RUN_OPEN");
  expect(await project.refusal("POST", `/runs/says/${runId}/steer`, { text: "x" })).toBe("FLOW_NOT_RUNNING");
  expect((await project.api("POST", `/runs/says/${runId}/cancel`, {})).body).toEqual({
    stopped: 0,
    givenUp: 0,
    dropped: 1,
  });
  expect(await runOf(project, runId)).toMatchObject({ state: "cancelled", steps: [] });
  expect((await project.api("GET", ENTRY)).body).toEqual({ isHeld: true, waiting: 0 });
  expect(await project.refusal("POST", ENTRY, { letGo: "oldest" })).toBe("RUN_ENDED");
  expect(await project.refusal("POST", ENTRY, {})).toBe("INPUT_MALFORMED");
});

test("a thread whose message is held cannot be deleted: the message is neither lost nor without its thread", async () => {
  await using project = await DevProject.start({ "src/flows.ts": says("!") });
  await change(project, { isHeld: true });
  const { id } = (await project.api<ThreadSummary>("POST", "/threads", { flow: "says" })).body;
  const { runId } = (await project.api<RunStarted>("POST", `/threads/${id}/messages`, { text: "hello" })).body;
  expect(await project.refusal("DELETE", `/threads/${id}`)).toBe("RUN_OPEN");
  await change(project, { isHeld: false });
  await project.follow("says", runId);
  expect((await project.api<ThreadView>("GET", `/threads/${id}`)).body.turns).toMatchObject([{ text: "hello" }]);
  expect((await project.api("DELETE", `/threads/${id}`)).status).toBe(204);
});

test("a run of AG-UI waits at a held entry, too", { timeout: 120_000 }, async () => {
  await using project = await DevProject.start({ "src/flows.ts": says("!") });
  await change(project, { isHeld: true });
  const messages = [{ id: "1", role: "user", content: "hello" }];
  const input = { threadId: "t", runId: "r", state: {}, messages, tools: [], context: [], forwardedProps: {} };
  const types: string[] = [];
  const reading = (async () => {
    for await (const { type } of project.events<{ type: string }>("/agui/says", input)) types.push(type);
  })();
  await expect.poll(async () => (await project.api<EntryView>("GET", ENTRY)).body.waiting, { timeout: 60_000 }).toBe(1);
  expect(types).toEqual([]);
  await change(project, { letGo: "oldest" });
  await reading;
  expect(types.at(-1)).toBe("RUN_FINISHED");
});
