import type {
  FeedItem,
  Page,
  PauseView,
  Reload,
  RunStarted,
  RunView,
  ThreadSummary,
  ThreadView,
} from "@penguiflow/playground/protocol";
import { expect, test } from "vitest";
import { DevProject } from "./dev-project.ts";

/** Code of a flow that asks a person and answers with a word. */
const asks = (word: string, durability = ""): string => `
import { create, payloadNode } from "penguiflow";
${durability === "" ? "" : 'import { durable } from "penguiflow/durable";\nimport { SqliteCheckpointStore } from "@penguiflow/state-sqlite";'}
const ask = payloadNode("ask", async (_: string, ctx) => \`\${await ctx.pause<string>({ reason: "who pays?" })} ${word}\`);
export const flow = create(ask.to(), { name: "asks"${durability} });
`;
const DURABLE =
  ', durability: durable({ checkpoints: await SqliteCheckpointStore.open({ file: "checkpoints.db" }), leaseMs: 2_000 })';

/** Begins a run, and returns it with its question. */
async function paused(project: DevProject): Promise<{ readonly runId: string; readonly pause: PauseView }> {
  const { runId } = (await project.api<RunStarted>("POST", "/flows/asks/runs", { input: "" })).body;
  await project.follow("asks", runId, (item) => "pauses" in item && item.pauses.length > 0);
  const [pause] = (await project.api<Page<PauseView>>("GET", `/pauses?run=${runId}`)).body.items;
  return { runId, pause: pause! };
}

async function saved(project: DevProject, code: string): Promise<Reload> {
  const isReload = (item: FeedItem): item is Extract<FeedItem, { readonly type: "reload" }> =>
    item.type === "reload" && item.reload.generation > 1;
  return (await project.feed(() => project.scratch.write({ "src/flows.ts": code }), isReload)).reload;
}

test("a question of a durable flow outlasts a save, and the new code goes on with the answer", async () => {
  await using project = await DevProject.start({ "src/flows.ts": asks("pays", DURABLE) });
  const { runId, pause } = await paused(project);
  expect(pause).toMatchObject({ isVolatile: false, reason: "who pays?" });
  expect(await saved(project, asks("has paid", DURABLE))).toMatchObject({ draining: 1, lostQuestions: 0 });
  const isThere = async (): Promise<number> => {
    const answer = await project.api("POST", `/pauses/${pause.id}`, { value: "Kari" });
    return answer.status;
  };
  // the new process lists its questions once it has the lease of the old one
  await expect.poll(isThere, { timeout: 20_000 }).toBe(204);
  const items = await project.follow("asks", runId);
  const states = items.flatMap((item) => ("run" in item ? [item.run.state] : []));
  expect(states).not.toContain("stopped");
  const { state, results, error } = (await project.api<RunView>("GET", `/runs/asks/${runId}`)).body;
  expect([state, results, error]).toEqual(["completed", ["Kari has paid"], undefined]);
});

test("a question of another flow ends with a save: the load counts it, and its run is stopped", async () => {
  await using project = await DevProject.start({ "src/flows.ts": asks("pays") });
  const { runId, pause } = await paused(project);
  expect(pause.isVolatile).toBe(true);
  expect(await saved(project, asks("has paid"))).toMatchObject({ draining: 1, lostQuestions: 1 });
  expect((await project.follow("asks", runId)).at(-1)).toMatchObject({ type: "end", run: { state: "stopped" } });
  expect(await project.refusal("POST", `/pauses/${pause.id}`, { value: "Kari" })).toMatch(/^PAUSE_(UNKNOWN|USED)$/);
});

test("a checkpoint store of the process itself makes no question outlast a save: it says so, and is counted", async () => {
  const memory = ", durability: durable({ checkpoints: new MemoryCheckpointStore() })";
  const code = (word: string): string =>
    asks(word, memory)
      .replace("import { create,", "import { MemoryCheckpointStore, create,")
      .replace(/import \{ SqliteCheckpointStore.*/, "");
  await using project = await DevProject.start({ "src/flows.ts": code("pays") });
  const { runId, pause } = await paused(project);
  expect(pause.isVolatile).toBe(true);
  expect(await saved(project, code("has paid"))).toMatchObject({ draining: 1, lostQuestions: 1 });
  expect((await project.follow("asks", runId)).at(-1)).toMatchObject({ type: "end" });
});

/** Code of a durable planner with a tool that asks first. */
const clerk = (says: string): string => `
import { createPlanner, tool } from "@penguiflow/planner";
import { scriptedModel } from "@penguiflow/planner/testing";
import { durable } from "penguiflow/durable";
import { SqliteCheckpointStore } from "@penguiflow/state-sqlite";
import { z } from "zod";
const pay = tool({
  name: "pay",
  description: "Pays",
  input: z.object({ eur: z.number() }),
  effects: "writes",
  approval: true,
  run: ({ eur }) => \`paid \${eur}\`,
});
const model = scriptedModel(({ prompt }) =>
  prompt.at(-1).role === "tool" ? "${says}" : { calls: [{ tool: "pay", args: { eur: 5 } }] },
);
const checkpoints = await SqliteCheckpointStore.open({ file: "checkpoints.db" });
export const agent = createPlanner({
  name: "clerk",
  model,
  tools: [pay],
  flow: { durability: durable({ checkpoints, leaseMs: 2_000 }) },
});
`;

test("an approval that a durable planner waits for outlasts a save, and the new code goes on with its thread", async () => {
  await using project = await DevProject.start({ "src/flows.ts": clerk("old") });
  const { id } = (await project.api<ThreadSummary>("POST", "/threads", { flow: "clerk" })).body;
  const { runId } = (await project.api<RunStarted>("POST", `/threads/${id}/messages`, { text: "Pay" })).body;
  await project.follow("clerk", runId, (item) => "pauses" in item && item.pauses.length > 0);
  const [pause] = (await project.api<Page<PauseView>>("GET", `/pauses?run=${runId}`)).body.items;
  expect(pause).toMatchObject({ kind: "approval", isVolatile: false });
  expect(await saved(project, clerk("new"))).toMatchObject({ draining: 1, lostQuestions: 0 });
  const answer = async (): Promise<number> =>
    (await project.api("POST", `/pauses/${pause!.id}`, { value: { approved: true, args: { eur: 4 } } })).status;
  // the new process lists its questions once it has the lease of the old one
  await expect.poll(answer, { timeout: 60_000 }).toBe(204);
  const items = await project.follow("clerk", runId);
  expect(items.at(-1)).toMatchObject({ type: "end", run: { state: "completed", thread: id } });
  const [turn] = (await project.api<ThreadView>("GET", `/threads/${id}`)).body.turns;
  expect(turn?.parts).toMatchObject([
    { type: "call", tool: "pay", state: "done", output: "paid 4" },
    { type: "text", text: "new" },
  ]);
});
