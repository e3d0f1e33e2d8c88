import type { FeedItem, Page, PauseView, Reload, RunStarted, RunView } from "@penguiflow/playground/protocol";
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
