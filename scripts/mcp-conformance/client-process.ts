// A planner that uses a server of the conformance suite: it calls each tool once, signs its user in when it is asked to,
// and answers questions with nothing, so that defaults count. `node client-process.ts <URL>`.
import { type Caller, createPlanner, type Question } from "@penguiflow/planner";
import { scriptedModel } from "@penguiflow/planner/testing";
import { mcpTools } from "@penguiflow/tools-mcp/client";

const MOST_ANSWERS = 10;
const REDIRECT_URL = "http://127.0.0.1:1/callback";
const CLIENT_METADATA_URL = "https://conformance-test.local/client-metadata.json";

const url = process.argv.at(-1) as string;
const signsIn = process.env["MCP_CONFORMANCE_SCENARIO"]?.startsWith("auth/") === true;
const who = { tenant: "acme", user: "alice" };

/** Data that the suite gives to a client which its authorization server knows. */
const { client_id: id, client_secret: secret } = JSON.parse(process.env["MCP_CONFORMANCE_CONTEXT"] ?? "{}") as {
  readonly client_id?: string;
  readonly client_secret?: string;
};

/** Returns the authorization server of the suite's server, which a program that is known there knows, too. */
async function issuer(): Promise<string> {
  const { origin, pathname } = new URL(url);
  const about = await fetch(`${origin}/.well-known/oauth-protected-resource${pathname}`);
  return ((await about.json()) as { readonly authorization_servers: readonly [string] }).authorization_servers[0];
}

const client = id === undefined ? undefined : { id, secret, issuer: await issuer() };

const source = mcpTools("suite", {
  url,
  effects: "reads",
  maxRetries: 0,
  ...(signsIn && {
    oauth: { redirectUrl: REDIRECT_URL, clientMetadataUrl: CLIENT_METADATA_URL, client },
  }),
});

const called = new Set<string>();
const model = scriptedModel(({ options: { tools = [] } }) => {
  const next = tools.filter(({ name }) => !called.has(name));
  for (const { name } of next) if (name !== "suite_sign_in") called.add(name);
  if (next.length === 0) return "All tools are called";
  return { calls: next.map(({ name }) => ({ tool: name, args: name === "suite_add_numbers" ? { a: 2, b: 3 } : {} })) };
});
const planner = createPlanner({
  name: "client",
  model,
  tools: [source],
  ...(signsIn && { credentials: (caller: Caller) => source.credential(caller) }),
}).start();

/** Visits the page of a sign-in as a browser does, up to where it is sent back, and finishes the sign-in. */
async function signIn({ payload }: Question): Promise<void> {
  let page = (payload as { readonly url: string }).url;
  while (!page.startsWith(REDIRECT_URL)) {
    const response = await fetch(page, { redirect: "manual" });
    const location = response.headers.get("location");
    if (location === null) throw new Error(`"${page}" answers ${response.status}: expected a redirect`);
    page = new URL(location, page).href;
  }
  await source.finishSignIn(new URL(page).searchParams, who);
}

let result = await planner.run("Call all tools", who);
for (let answers = 0; result.status === "paused"; answers += 1) {
  if (answers === MOST_ANSWERS) throw new Error("The server does not stop asking");
  const [question] = result.questions as [Question];
  if (question.kind === "sign-in") await signIn(question);
  const decision =
    question.kind === "approval" ? ({ approved: true } as const) : { value: question.kind === "sign-in" ? null : {} };
  result = await planner.resume(question.token, decision, { ...who, by: "alice" });
}
const outputs = result.steps.flatMap(({ calls }) => calls.map(({ tool, output }) => ({ tool, output })));
process.stdout.write(`${JSON.stringify({ status: result.status, outputs })}\n`);
await planner.flow.stop();
await source.close();
