import type {
  ApiProblem,
  Page,
  PauseView,
  ProjectView,
  RunEvent,
  RunStarted,
  RunStreamItem,
  RunSummary,
  RunView,
  StepMessages,
} from "@penguiflow/playground/protocol";
import { describe, expect, test } from "vitest";
import { DevProject } from "./dev-project.ts";

const WAITS = `
import { create, payloadNode } from "penguiflow";
const wait = payloadNode("wait", async (text: string, ctx) => {
  await ctx.emitChunk({ text: "begun" });
  console.log("a line of the project");
  await ctx.sleep(600_000);
});
export const flow = create(wait.to(), { name: "waits" });
`;

const ASKS = `
import { create, payloadNode } from "penguiflow";
const ask = payloadNode("ask", async (sum: number, ctx) => {
  const answer = await ctx.pause({ reason: "may it be paid?", payload: { sum } });
  return answer === true ? "paid" : "not paid";
});
export const flows = { asks: create(ask.to(), { name: "asks" }) };
`;

/** Begins a run and follows it to its end. */
async function run(project: DevProject, flow: string, input: unknown): Promise<RunView> {
  const started = await project.api<RunStarted>("POST", `/flows/${flow}/runs`, { input });
  expect(started.status).toBe(200);
  await project.follow(flow, started.body.runId);
  return (await project.api<RunView>("GET", `/runs/${flow}/${started.body.runId}`)).body;
}

const isPaused = (item: RunStreamItem): boolean => "pauses" in item && item.pauses.length > 0;

describe("runs", () => {
  test("of a flow have their steps, what they streamed and their result", async () => {
    await using project = await DevProject.start({}, "minimal");
    const { state, input, results, steps, parts, isWhole, generation } = await run(project, "words", "One two. Three.");
    expect({ state, input, results, isWhole, generation }).toEqual({
      state: "completed",
      input: "One two. Three.",
      results: ["2 sentences, 3 words"],
      isWhole: true,
      generation: 1,
    });
    expect(steps.map(({ node, state: at }) => [node, at])).toEqual([
      ["split", "done"],
      ["count", "done"],
      ["report", "done"],
    ]);
    expect(steps.map(({ from, to }) => [from, to])).toEqual([
      [undefined, ["count"]],
      ["split", ["report"]],
      ["count", ["Rookery"]],
    ]);
    expect(parts.map((part) => part.type === "text" && part.text)).toEqual([
      "2 words: One two.\n1 words: Three.\n",
      "2 sentences, 3 words",
    ]);
  });

  test("show the message that each step was given and gave, and the depth of each edge over time", async () => {
    await using project = await DevProject.start({}, "minimal");
    const { id, steps } = await run(project, "words", "One two. Three.");
    const ofStep = async (index: number) =>
      (
        await project.api<StepMessages>(
          "GET",
          `/runs/words/${id}/messages?step=${encodeURIComponent(steps[index]!.id)}`,
        )
      ).body;
    const [split, report] = [await ofStep(0), await ofStep(2)];
    expect([split.input?.payload, split.outputs.map(({ node, payload }) => [node, payload])]).toEqual([
      "One two. Three.",
      [["count", ["One two.", "Three."]]],
    ]);
    expect([report.input?.payload, report.outputs.map(({ node }) => node)]).toEqual([
      { sentences: 2, words: 3 },
      ["Rookery"],
    ]);
    const { items } = (await project.api<Page<RunEvent>>("GET", `/runs/words/${id}/events`)).body;
    expect(items.map(({ event }) => event.type)).toEqual([
      "trace_start",
      ...["node_start", "node_success", "node_start", "node_success", "node_start", "node_success"],
      "trace_end",
    ]);
    const seqs = items.map(({ seq }) => seq);
    expect(seqs).toEqual(seqs.toSorted((one, other) => one - other));
    const last = Object.assign({}, ...items.map(({ edges }) => edges)) as Record<string, number>;
    expect(last).toMatchObject({ "OpenSea>split": 0, "split>count": 0, "count>report": 0 });
  });

  test("of a join have one step for each message, done when it has arrived, and one for the group", async () => {
    await using project = await DevProject.start({}, "parallel");
    const { steps } = await run(project, "findings", "a brown fox");
    const states = steps.map(({ node, state: at }) => `${node} ${at}`).sort();
    expect(new Set(states.map((each) => each.split(" ")[1]))).toEqual(new Set(["done"]));
    expect(states.filter((each) => each.startsWith("gather")).length).toBeGreaterThanOrEqual(3);
  });

  test("that fail have their error, and retries are counted", async () => {
    await using project = await DevProject.start({}, "flow");
    const failed = await run(project, "weather", { city: "" });
    expect(failed.state).toBe("failed");
    expect(failed.error?.message).toContain("needs a city");
    // the service fails every third time
    for (const city of ["Oslo", "Bergen"]) expect((await run(project, "weather", { city })).retries).toBe(0);
    const retried = await run(project, "weather", { city: "Tromsø" });
    expect(retried).toMatchObject({ state: "completed", retries: 1 });
  });

  test("are listed newest first, by their state, text and pages", async () => {
    await using project = await DevProject.start({}, "flow");
    for (const city of ["Oslo", "Bergen", ""]) await run(project, "weather", { city });
    const list = async (query: string) => (await project.api<Page<RunSummary>>("GET", `/runs?${query}`)).body;
    expect((await list("")).items.map(({ input }) => input)).toEqual([
      '{"city":""}',
      '{"city":"Bergen"}',
      '{"city":"Oslo"}',
    ]);
    expect((await list("state=failed")).items).toHaveLength(1);
    expect((await list("q=berg")).items).toHaveLength(1);
    expect((await list("q=%25")).items).toHaveLength(0);
    expect((await list("flow=other")).items).toEqual([]);
    const first = await list("limit=2");
    const second = await list(`limit=2&cursor=${first.next}`);
    expect([first.items.length, second.items.map(({ input }) => input), second.next]).toEqual([
      2,
      ['{"city":"Oslo"}'],
      undefined,
    ]);
  });

  test("are exported as lines, and deleted", async () => {
    await using project = await DevProject.start({}, "minimal");
    const { id } = await run(project, "words", "One.");
    await run(project, "words", "Two.");
    const { body } = await project.api<string>("GET", "/runs/export");
    expect(
      body
        .trimEnd()
        .split("\n")
        .map((line) => (JSON.parse(line) as { run: RunView }).run.input),
    ).toEqual(["Two.", "One."]);
    expect((await project.api("GET", `/runs/export?id=words/${id}`)).body).toMatch(/^[^\n]*"One\."[^\n]*\n$/);
    expect((await project.api("DELETE", `/runs/words/${id}`)).status).toBe(204);
    expect(await project.refusal("GET", `/runs/words/${id}`)).toBe("RUN_UNKNOWN");
  });

  test("are cancelled, with a report, and once", async () => {
    await using project = await DevProject.start({ "src/flows.ts": WAITS });
    const { runId } = (await project.api<RunStarted>("POST", "/flows/waits/runs", { input: "x" })).body;
    await project.follow("waits", runId, (item) => ("parts" in item ? item.parts.length > 0 : item.type === "part"));
    expect(await project.refusal("DELETE", `/runs/waits/${runId}`)).toBe("RUN_OPEN");
    const report = await project.api("POST", `/runs/waits/${runId}/cancel`);
    expect(report).toEqual({ status: 200, body: { stopped: 1, givenUp: 0, dropped: 0 } });
    const items = await project.follow("waits", runId);
    expect(items.at(-1)).toMatchObject({ type: "end", run: { state: "cancelled" } });
    expect(await project.refusal("POST", `/runs/waits/${runId}/cancel`)).toBe("RUN_ENDED");
    expect(await project.refusal("POST", `/runs/waits/${runId}/steer`, { text: "x" })).toBe("RUN_ENDED");
  });

  test("show what their steps streamed and printed", async () => {
    await using project = await DevProject.start({ "src/flows.ts": WAITS });
    const { runId } = (await project.api<RunStarted>("POST", "/flows/waits/runs", { input: "x" })).body;
    await project.feed(
      () => {},
      (item) => item.type === "log",
    );
    const { steps } = (await project.api<RunView>("GET", `/runs/waits/${runId}`)).body;
    const { body } = await project.api("GET", `/runs/waits/${runId}/messages?step=${encodeURIComponent(steps[0]!.id)}`);
    expect(body).toMatchObject({
      chunks: [{ text: "begun" }],
      logs: [{ stream: "stdout", text: "a line of the project" }],
    });
    expect(await project.refusal("GET", `/runs/waits/${runId}/messages?step=none`)).toBe("RUN_UNKNOWN");
  });

  test("with an input that the flow does not take are refused, and leave nothing", async () => {
    await using project = await DevProject.start({
      "src/flows.ts": `
        import { create, payloadNode } from "penguiflow";
        import { z } from "zod";
        export const flow = create(payloadNode({ name: "n", input: z.object({ city: z.string() }), policy: { validate: "both" } }, ({ city }) => city).to(), { name: "cities" });`,
    });
    const { status, body } = await project.api<ApiProblem>("POST", "/flows/cities/runs", { input: { city: 1 } });
    expect([status, body.error.code]).toEqual([422, "INPUT_INVALID"]);
    expect(await project.refusal("POST", "/flows/cities/runs", {})).toBe("INPUT_MALFORMED");
    expect(await project.refusal("POST", "/flows/none/runs", { input: 1 })).toBe("FLOW_UNKNOWN");
    expect((await project.api<Page<RunSummary>>("GET", "/runs")).body.items).toEqual([]);
    const { flows } = (await project.api<ProjectView>("GET", "/project")).body;
    expect(flows).toMatchObject([{ name: "cities", takesText: false, nodeCount: 1 }]);
    expect((await project.api("GET", "/flows/cities")).body).toMatchObject({
      inputSchema: { properties: { city: { type: "string" } } },
    });
  });

  test("may be several at once", async () => {
    await using project = await DevProject.start({}, "minimal");
    let done = 0;
    await project.feed(
      async () => await project.api("POST", "/flows/words/runs", { input: "One.", count: 20 }),
      (item) => {
        if (item.type === "run" && item.run.state === "completed") done += 1;
        return item.type === "run" && done === 20;
      },
    );
    expect((await project.api<Page<RunSummary>>("GET", "/runs?state=completed&limit=100")).body.items).toHaveLength(20);
  });
});

describe("pauses", () => {
  test("are listed without their token, answered once, and the run goes on", async () => {
    await using project = await DevProject.start({ "src/flows.ts": ASKS });
    const { runId } = (await project.api<RunStarted>("POST", "/flows/asks/runs", { input: 50 })).body;
    await project.follow("asks", runId, isPaused);
    const { items } = (await project.api<Page<PauseView>>("GET", "/pauses")).body;
    expect(items).toMatchObject([
      { flow: "asks", runId, kind: "pause", reason: "may it be paid?", payload: { sum: 50 }, isVolatile: true },
    ]);
    expect(Object.keys(items[0]!)).not.toContain("token");
    expect((await project.api<RunView>("GET", `/runs/asks/${runId}`)).body).toMatchObject({
      state: "paused",
      openPauses: 1,
      pauses: [{ id: items[0]!.id }],
    });
    const answer = `/pauses/${items[0]!.id}`;
    expect((await project.api("POST", answer, { value: true })).status).toBe(204);
    const told = await project.follow("asks", runId);
    expect(told.at(-1)).toMatchObject({ type: "end", run: { state: "completed", output: "paid", openPauses: 0 } });
    expect(await project.refusal("POST", answer, { value: true })).toBe("PAUSE_USED");
    expect((await project.api<Page<PauseView>>("GET", "/pauses")).body.items).toEqual([]);
  });
});
