import { type Caller, createPlanner } from "@penguiflow/planner";
import { scriptedModel } from "@penguiflow/planner/testing";
import { TestClock } from "penguiflow/testing";
import { afterEach, expect, test } from "vitest";
import { type McpTool, MemoryTokenStore, mcpTools, type SignInOptions } from "../src/client/index.ts";
import { signingServer } from "./signing-server.ts";
import { alice, toolContext } from "./tool-context.ts";

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const bob = { ...alice, user: "bob" };
const signal = new AbortController().signal;

/** A source of an MCP server that takes the tokens of an authorization server. */
async function signingIn(
  oauth: Partial<SignInOptions> | ((issuer: string) => Partial<SignInOptions>) = {},
  settings: { readonly expiresIn?: number } = {},
) {
  const server = await signingServer(settings);
  const { issuer, wanted, url } = server;
  const clock = new TestClock();
  const given = typeof oauth === "function" ? oauth(issuer.url) : oauth;
  const options = { redirectUrl: "https://app.example/callback", ...given };
  const source = mcpTools("crm", { url, oauth: options, clock });
  const another = () => mcpTools("crm", { url, oauth: options, clock });
  closing.push(
    async () => await server[Symbol.asyncDispose](),
    async () => await source.close(),
  );
  const begin = async (caller = alice) => (await source.signIn?.(caller, signal)) as { readonly url: string };
  const list = async (caller = alice) =>
    (await source.list({ caller, credential: await source.credential(caller), signal })) as readonly McpTool[];
  return { wanted, issuer, source, another, clock, begin, list };
}

test("a user signs in with PKCE, and their calls have their token", async () => {
  const { issuer, source, begin, list } = await signingIn();
  expect(await source.credential(alice)).toBeUndefined();
  const { url } = await begin();
  const { searchParams } = new URL(url);
  expect(searchParams.get("code_challenge_method")).toBe("S256");
  expect(searchParams.get("redirect_uri")).toBe("https://app.example/callback");
  expect(searchParams.get("state")).toMatch(/^[\w-]{43}$/);
  expect(await source.finishSignIn(issuer.consent(url, "alice"), alice)).toEqual({ tenant: "acme", user: "alice" });
  const credential = await source.credential(alice);
  const [tool] = await list();
  expect(await tool?.run({}, toolContext({ credential }))).toEqual({ kind: "text", text: "alice" });
  expect(await source.credential(bob)).toBeUndefined();
  expect(await source.credential({ tenant: "umbrella", user: "alice" })).toBeUndefined();
});

test("a source without a credential offers the tool by which the user signs in", async () => {
  const { issuer, source, begin, list } = await signingIn();
  expect(source.signsIn).toBe("user");
  const tools = await list();
  expect(tools.map(({ name }) => name)).toEqual(["sign_in"]);
  await source.finishSignIn(issuer.consent((await begin()).url, "alice"), alice);
  const credential = await source.credential(alice);
  expect(await tools[0]?.run({}, toolContext({ credential }))).toEqual({
    kind: "text",
    text: "The user is signed in. Tools: crm_whoami",
  });
  expect((await list()).map(({ name }) => name)).toEqual(["whoami", "sign_in"]);
});

test("a run asks its user to sign in, and goes on with their tools after the callback", async () => {
  const { issuer, source } = await signingIn();
  const model = scriptedModel([
    { calls: [{ tool: "crm_sign_in" }] },
    { calls: [{ tool: "crm_whoami" }] },
    "You are alice",
  ]);
  const credentials = async (caller: Caller) => await source.credential(caller);
  await using planner = createPlanner({ name: "helper", model, tools: [source], credentials }).start();
  const paused = await planner.run("Who am I?", { tenant: "acme", user: "alice" });
  if (paused.status !== "paused") throw new TypeError(`Expected a question: got ${JSON.stringify(paused)}`);
  const [question] = paused.questions;
  expect(question).toMatchObject({ kind: "sign-in", reason: 'Sign in to "crm"' });
  const { url } = (question?.payload ?? {}) as { readonly url: string };
  await source.finishSignIn(issuer.consent(url, "alice"), alice);
  const who = { tenant: "acme", by: "alice", user: "alice" };
  const end = await planner.resume(question?.token ?? "", { value: null }, who);
  expect(end).toMatchObject({ status: "completed", output: "You are alice" });
  expect(end.steps.map(({ calls }) => calls[0]?.output)).toMatchObject([
    { text: "The user is signed in. Tools: crm_whoami" },
    { text: "alice" },
    undefined,
  ]);
  const token = await source.credential(alice);
  expect(JSON.stringify([end, model.calls])).not.toContain(token);
});

test("a callback works once", async () => {
  const { issuer, source, begin } = await signingIn();
  const callback = issuer.consent((await begin()).url, "alice");
  await source.finishSignIn(callback, alice);
  await expect(source.finishSignIn(callback, alice)).rejects.toMatchObject({ code: "REMOTE_REFUSED" });
});

test("a callback of another user or tenant is refused, and ends the sign-in", async () => {
  const { issuer, source, begin } = await signingIn();
  for (const other of [bob, { ...alice, tenant: "umbrella" }]) {
    const callback = issuer.consent((await begin()).url, "alice");
    await expect(source.finishSignIn(callback, other)).rejects.toThrow(/begun by another user/);
    await expect(source.finishSignIn(callback, alice)).rejects.toThrow(/unknown, expired/);
  }
  expect(await source.credential(alice)).toBeUndefined();
  expect(await source.credential(bob)).toBeUndefined();
});

test("a callback with a made-up state, or after the time for it, is refused", async () => {
  const { issuer, source, begin, clock } = await signingIn({ expiresInMs: 60_000 });
  const callback = issuer.consent((await begin()).url, "alice");
  const forged = new URLSearchParams({ ...Object.fromEntries(callback), state: "forged" });
  await expect(source.finishSignIn(forged, alice)).rejects.toThrow(/unknown, expired/);
  await clock.advance(60_000);
  await expect(source.finishSignIn(callback, alice)).rejects.toThrow(/unknown, expired/);
});

test("a callback that names another issuer is refused", async () => {
  const { issuer, source, begin } = await signingIn();
  const callback = issuer.consent((await begin()).url, "alice");
  callback.set("iss", "https://evil.example");
  await expect(source.finishSignIn(callback, alice)).rejects.toThrow(/Cannot sign in to MCP server "crm"/);
  expect(issuer.requests).toHaveLength(0);
});

test("a user who refuses is told to the program as that", async () => {
  const { source, begin } = await signingIn();
  const state = new URL((await begin()).url).searchParams.get("state") as string;
  const refusal = new URLSearchParams({ state, error: "access_denied" });
  await expect(source.finishSignIn(refusal, alice)).rejects.toThrow(/access_denied/);
});

test("a run without a user cannot sign in", async () => {
  const { begin } = await signingIn();
  await expect(begin({ tenant: "acme", runId: "r" })).rejects.toThrow(/the run has no user/);
});

test("a token that ends soon is renewed once, whoever asks at the same time", async () => {
  const { issuer, source, begin, clock } = await signingIn({}, { expiresIn: 600 });
  await source.finishSignIn(issuer.consent((await begin()).url, "alice"), alice);
  const first = await source.credential(alice);
  await clock.advance(530_000);
  expect(await source.credential(alice)).toBe(first);
  await clock.advance(20_000);
  const [second, same] = await Promise.all([source.credential(alice), source.credential(alice)]);
  expect(second).not.toBe(first);
  expect(same).toBe(second);
  expect(issuer.requests.map((params) => params.get("grant_type"))).toEqual(["authorization_code", "refresh_token"]);
  expect(issuer.tokens.get(second as string)).toBe("alice");
});

test("a token that cannot be renewed is used to its end; then the user signs in again", async () => {
  const { issuer, source, begin, clock } = await signingIn({}, { expiresIn: 600 });
  await source.finishSignIn(issuer.consent((await begin()).url, "alice"), alice);
  const first = await source.credential(alice);
  issuer.refreshTokens.clear();
  await clock.advance(550_000);
  expect(await source.credential(alice)).toBe(first);
  await issuer.close();
  expect(await source.credential(alice)).toBe(first);
  await clock.advance(50_000);
  expect(await source.credential(alice)).toBeUndefined();
});

test("a token that the server refuses is forgotten, so that the next run asks to sign in", async () => {
  const { issuer, source, begin, list } = await signingIn();
  await source.finishSignIn(issuer.consent((await begin()).url, "alice"), alice);
  const credential = await source.credential(alice);
  const [tool] = await list();
  issuer.tokens.clear();
  expect(await tool?.run({}, toolContext({ credential }))).toMatchObject({ kind: "error", code: "SIGN_IN_FAILED" });
  expect(await source.credential(alice)).toBeUndefined();
});

test("a call that needs further scopes ends the sign-in, and the next one asks for them, too", async () => {
  const { issuer, source, begin, list, wanted } = await signingIn({ scope: "profile" });
  const first = (await begin()).url;
  expect(new URL(first).searchParams.get("scope")).toBe("profile");
  await source.finishSignIn(issuer.consent(first, "alice"), alice);
  const credential = await source.credential(alice);
  const [tool] = await list();
  wanted.push("mail:send");
  expect(await tool?.run({}, toolContext({ credential }))).toMatchObject({ kind: "error", code: "SIGN_IN_FAILED" });
  expect(await source.credential(alice)).toBeUndefined();
  expect(new URL((await begin()).url).searchParams.get("scope")).toBe("profile mail:send");
});

test("another process with the same store takes the callback, and the program registers once", async () => {
  const clock = new TestClock();
  const store = new MemoryTokenStore({ clock });
  const { issuer, another, begin, source } = await signingIn({ store });
  const { url } = await begin();
  const other = another();
  await other.finishSignIn(issuer.consent(url, "alice"), alice);
  expect(await source.credential(alice)).toBe(await other.credential(alice));
  await begin(bob);
  expect(issuer.registrations()).toBe(1);
});

test("a program that is known to the authorization server does not register", async () => {
  const { issuer, begin } = await signingIn((url) => ({ client: { id: "known", issuer: url } }));
  expect(new URL((await begin()).url).searchParams.get("client_id")).toBe("known");
  expect(issuer.registrations()).toBe(0);
});

test("a server that names another authorization server than the known one is refused", async () => {
  const client = { id: "known", secret: "canary", issuer: "https://idp.example" };
  const { issuer, begin } = await signingIn({ client });
  const error: unknown = await begin().catch((failure: unknown) => failure);
  expect(error).toMatchObject({ code: "REMOTE_REFUSED" });
  expect(String((error as Error).stack)).not.toContain("canary");
  expect([issuer.requests, issuer.registrations()]).toEqual([[], 0]);
});
