import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import type { Draft, FlowView, LintView, ProjectView } from "@penguiflow/playground/protocol";
import { VERSION } from "../../own-package.ts";
import { Fields, readObject } from "../server/body.ts";
import { type Route, route } from "../server/router.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import { openInEditor } from "./open-in-editor.ts";

/** Characters of a draft's name at most. */
const MAX_KEY = 200;

/** Routes of the project as a whole, its flows and what the pages keep of their own. */
export function projectRoutes(supervisor: Supervisor): Route[] {
  return [
    route("GET /project", () => projectOf(supervisor)),
    route("GET /flows", () => supervisor.flows.map((flow) => supervisor.summaryOf(flow))),
    route("GET /flows/:flow", async ({ params }) => await flowOf(supervisor, params["flow"]!)),
    route("GET /lint", (): LintView[] => supervisor.flows.map(({ name, findings }) => ({ flow: name, findings }))),
    route("POST /open", async ({ request }) => {
      const fields = new Fields(await readObject(request), ["file", "line"]);
      await openInEditor(supervisor.root, fields.text("file"), fields.integer("line", 1, 10_000_000) ?? 1);
    }),
    route("GET /drafts/:key", ({ params }): Draft => ({ value: supervisor.threads.rows.draft(params["key"]!) })),
    route("PUT /drafts/:key", async ({ request, params }) => {
      const fields = new Fields(await readObject(request), ["value"]);
      supervisor.threads.rows.setDraft(params["key"]!.slice(0, MAX_KEY), fields.any("value") ?? null);
    }),
  ];
}

function projectOf(supervisor: Supervisor): ProjectView {
  const { root, reload, overlay } = supervisor;
  return {
    name: nameOf(root),
    root,
    versions: { penguiflow: VERSION, cli: VERSION, node: process.versions.node },
    flows: supervisor.flows.map((flow) => supervisor.summaryOf(flow)),
    state: supervisor.state,
    isReadOnly: false,
    ...(reload !== undefined && { reload }),
    ...(overlay !== undefined && { overlay }),
  };
}

function nameOf(root: string): string {
  const file = path.join(root, "package.json");
  try {
    const { name } = JSON.parse(existsSync(file) ? readFileSync(file, "utf8") : "{}") as { readonly name?: unknown };
    if (typeof name === "string") return name;
  } catch {
    // a package.json that is being edited
  }
  return path.basename(root);
}

async function flowOf(supervisor: Supervisor, name: string): Promise<FlowView> {
  const flow = supervisor.flow(name);
  const { graph, findings, inputSchema, mermaid } = flow;
  const stats =
    supervisor.state === "starting"
      ? undefined
      : await supervisor.child.ask({ type: "stats", flow: name }).catch(() => undefined);
  return {
    ...supervisor.summaryOf(flow),
    graph,
    findings,
    mermaid,
    ...(inputSchema !== undefined && { inputSchema }),
    ...(stats !== undefined && { stats }),
  };
}
