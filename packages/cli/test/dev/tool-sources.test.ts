import type { Page, PauseView, RunStarted, ToolsView } from "@penguiflow/playground/protocol";
import { expect, test } from "vitest";
import { signingServer } from "../../../tools-mcp/test/signing-server.ts";
import { DevProject } from "./dev-project.ts";

/** Code of a planner whose tools are those of an MCP server that wants a sign-in, and of the page that ends one. */
const SIGNS_IN = `
import { createServer } from "node:http";
import { createPlanner } from "@penguiflow/planner";
import { scriptedModel } from "@penguiflow/planner/testing";
import { mcpTools } from "@penguiflow/tools-mcp/client";

const callback = createServer((request, response) => {
  const { searchParams } = new URL(request.url, "http://here");
  crm.finishSignIn(searchParams, { tenant: "default", user: "playground" }).then(
    () => response.end("signed in"),
    (error) => response.writeHead(500).end(String(error)),
  );
});
await new Promise((resolve) => callback.listen(0, "127.0.0.1", resolve));
callback.unref();
const redirectUrl = \`http://127.0.0.1:\${callback.address().port}/callback\`;
const crm = mcpTools("crm", { url: process.env.CRM_URL, oauth: { redirectUrl } });
export const agent = createPlanner({
  name: "support",
  model: scriptedModel(() => "Hello"),
  tools: [crm],
  credentials: (caller) => crm.credential(caller),
});
`;

const listed = async (project: DevProject) => (await project.api<ToolsView>("GET", "/tools")).body;

test(
  "a source that wants a sign-in says so; its sign-in is a run that asks, after which its tools are there",
  { timeout: 120_000 },
  async () => {
    await using crm = await signingServer();
    const env = { PATH: process.env["PATH"], CRM_URL: crm.url };
    await using project = await DevProject.start({ "src/flows.ts": SIGNS_IN }, undefined, { env });
    const before = await listed(project);
    expect(before.sources).toEqual([{ name: "crm", flow: "support", state: "sign-in", signIn: "crm_sign_in" }]);
    const wish = { flow: "support", args: {} };
    const { runId } = (await project.api<RunStarted>("POST", "/tools/crm_sign_in/call", wish)).body;
    await project.follow("support", runId, (item) => "pauses" in item && item.pauses.length > 0);
    const [pause] = (await project.api<Page<PauseView>>("GET", `/pauses?run=${runId}`)).body.items;
    expect(pause).toMatchObject({ kind: "sign-in", reason: 'Sign in to "crm"' });
    const { url } = pause!.payload as { readonly url: string };
    const callback = `${new URL(url).searchParams.get("redirect_uri")}?${crm.issuer.consent(url, "ann").toString()}`;
    expect(await (await fetch(callback)).text()).toBe("signed in");
    expect((await project.api("POST", `/pauses/${pause!.id}`, { value: { value: null } })).status).toBe(204);
    const items = await project.follow("support", runId);
    expect(items.at(-1)).toMatchObject({ type: "end", run: { state: "completed" } });
    const after = await listed(project);
    expect(after.sources).toEqual([{ name: "crm", flow: "support", state: "listed" }]);
    expect(after.tools.map(({ name }) => name)).toContain("crm_whoami");
  },
);

test("a source is connected anew when that is asked for, and says why it cannot be", { timeout: 120_000 }, async () => {
  await using crm = await signingServer();
  const code = SIGNS_IN.replace(", oauth: { redirectUrl } }", ", headers: () => ({}) }")
    .replace("(caller) => crm.credential(caller)", "() => process.env.CRM_TOKEN")
    .replace("crm.finishSignIn", "Promise.reject");
  const token = "known";
  crm.issuer.tokens.set(token, "ann");
  const env = { PATH: process.env["PATH"], CRM_URL: crm.url, CRM_TOKEN: token };
  await using project = await DevProject.start({ "src/flows.ts": code }, undefined, { env });
  expect((await listed(project)).sources).toEqual([{ name: "crm", flow: "support", state: "listed" }]);
  const first = crm.requests();
  await listed(project);
  const again = crm.requests() - first;
  expect((await project.api("POST", "/sources/crm/reconnect", { flow: "support" })).status).toBe(204);
  await listed(project);
  // a connection begins with requests of its own
  expect(crm.requests() - first - again).toBeGreaterThan(again);
  expect(await project.refusal("POST", "/sources/none/reconnect", { flow: "support" })).toBe("TOOL_UNKNOWN");
  await crm.stop();
  await project.api("POST", "/sources/crm/reconnect", { flow: "support" });
  expect((await listed(project)).sources).toEqual([
    { name: "crm", flow: "support", state: "failed", error: expect.stringContaining("crm") as string },
  ]);
});
