import type { Page, RunSummary } from "@penguiflow/playground/protocol";
import { expect, test } from "vitest";
import { DevProject } from "./dev-project.ts";

const input = (text: string, threadId = "t-1", runId = "r-1") => ({
  threadId,
  runId,
  state: {},
  messages: [{ id: "1", role: "user", content: text }],
  tools: [],
  context: [],
  forwardedProps: {},
});

test("a planner is an AG-UI agent, whose runs are among the others", async () => {
  await using project = await DevProject.start({}, "react");
  const types: string[] = [];
  for await (const { type } of project.events<{ type: string }>("/agui/support", input("Where is order 4471?")))
    types.push(type);
  expect([types[0], types.at(-1)]).toEqual(["RUN_STARTED", "RUN_FINISHED"]);
  expect(types).toContain("TOOL_CALL_START");
  expect(types).toContain("TEXT_MESSAGE_CONTENT");
  const { items } = (await project.api<Page<RunSummary>>("GET", "/runs")).body;
  expect(items).toMatchObject([{ flow: "support", state: "completed" }]);
});

test("a page of an origin that the settings name may call it with the token, others may not", async () => {
  await using project = await DevProject.start(
    { "penguiflow.config.ts": 'export default { dev: { origins: ["http://localhost:3000"] } };' },
    "minimal",
  );
  const { origin, token } = project.server;
  const call = async (from: string, path = "/agui/words") =>
    await fetch(`${origin}/api${path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json", origin: from },
      body: JSON.stringify(input("One.")),
    });
  const allowed = await call("http://localhost:3000");
  expect([allowed.status, allowed.headers.get("access-control-allow-origin")]).toEqual([200, "http://localhost:3000"]);
  expect(await allowed.text()).toContain("RUN_FINISHED");
  expect((await call("http://localhost:3001")).status).toBe(403);
  expect((await call("http://localhost:3000", "/threads")).status).toBe(403);
  const asked = await fetch(`${origin}/api/agui/words`, {
    method: "OPTIONS",
    headers: { origin: "http://localhost:3000" },
  });
  expect([asked.status, asked.headers.get("access-control-allow-headers")]).toEqual([
    204,
    "authorization, content-type",
  ]);
});

test("what is no input of AG-UI is refused", async () => {
  await using project = await DevProject.start({}, "minimal");
  const { status, body } = await project.api("POST", "/agui/words", { messages: [] });
  expect([status, JSON.stringify(body)]).toEqual([400, expect.stringContaining("INPUT_INVALID")]);
  expect(await project.refusal("POST", "/agui/none", input("x"))).toBe("FLOW_UNKNOWN");
});

test("nodes of a flow are steps, its playbooks subagents, and its working memory the state", async () => {
  await using project = await DevProject.start({
    "src/flows.ts": `import { create, FinalAnswer, node, payloadNode, WM } from "penguiflow";
const deeper = create(payloadNode("read", (text) => text + "!").to(), { name: "deeper" });
const ask = payloadNode("ask", async (query, ctx) => new WM({ query: await ctx.callPlaybook(deeper, query), budgetHops: 3 }));
const look = node({ name: "look", allowCycle: true }, ({ payload: memory }) =>
  memory.hops === 1 ? new FinalAnswer({ text: "There." }) : memory.with({ facts: ["here"] }));
export const search = create(ask.to(look), look.to(look), { name: "search" });
`,
  });
  type Told = Readonly<Record<"type" | "name" | "stepName", string>> & { readonly snapshot?: unknown };
  const told: string[] = [];
  let state: unknown;
  for await (const event of project.events<Told>("/agui/search", input("Where?"))) {
    if (/^(STEP|SUBAGENT|STATE)_/.test(event.type))
      told.push([event.type, event.stepName ?? event.name].filter(Boolean).join(" "));
    state ??= event.snapshot;
  }
  expect(told.slice(0, 8)).toEqual([
    ...["STEP_STARTED ask", "SUBAGENT_STARTED deeper", "STEP_STARTED read", "STEP_FINISHED read", "SUBAGENT_FINISHED"],
    ...["STATE_SNAPSHOT", "STEP_FINISHED ask", "STEP_STARTED look"],
  ]);
  expect(state).toMatchObject({ query: "Where?!", budgetHops: 3 });
});
