import { randomUUID } from "node:crypto";
import { DEFAULT_TENANT } from "penguiflow";
import type { RunStarted, ToolsView } from "@penguiflow/playground/protocol";
import { Fields, readObject } from "../server/body.ts";
import { type Call, type Route, route } from "../server/router.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";

/** Routes of the planners' tools. */
export function toolRoutes(supervisor: Supervisor): Route[] {
  return [
    route("GET /tools", async () => await listTools(supervisor)),
    route("POST /sources/:name/reconnect", async ({ request, params }) => {
      const { name: flow } = supervisor.flow(new Fields(await readObject(request), ["flow"]).text("flow"));
      await supervisor.child.ask({ type: "reconnect", flow, source: params["name"]! });
    }),
    route("POST /tools/:name/call", async (call) => await callTool(supervisor, call)),
  ];
}

async function listTools({ flows, child, tallies }: Supervisor): Promise<ToolsView> {
  const planners = flows.filter(({ kind }) => kind === "planner");
  const views = await Promise.all(
    planners.map(async ({ name }) => ({ name, view: await child.ask({ type: "tools", flow: name }) })),
  );
  return {
    tools: views.flatMap(({ name, view }) =>
      view.tools.map((tool) => ({ ...tool, flow: name, ...tallies.of(name, tool.name) })),
    ),
    sources: views.flatMap(({ name, view }) => view.sources.map((source) => ({ ...source, flow: name }))),
  };
}

async function callTool(supervisor: Supervisor, { request, params }: Call): Promise<RunStarted> {
  const { child, runs, generation } = supervisor;
  const fields = new Fields(await readObject(request), ["flow", "args", "allowWrites"]);
  const tool = params["name"]!;
  const { name: flow } = supervisor.flow(fields.text("flow"));
  const place = { flow, runId: randomUUID(), tenant: DEFAULT_TENANT };
  const args = fields.any("args");
  const input = { value: { tool, args } };
  runs.begin(place, { input, generation, isPlanner: true }, child);
  try {
    await child.ask({ type: "callTool", ...place, tool, args, allowWrites: fields.flag("allowWrites") });
  } catch (error) {
    runs.discard(place);
    throw error;
  }
  return { runId: place.runId };
}
