import { Client, type ElicitRequestParams, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { OAuthError, OAuthErrorCode, requireBearerAuth } from "@modelcontextprotocol/server";
import { create, node, payloadNode } from "penguiflow";
import { TestClock } from "penguiflow/testing";
import { afterEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { type McpTool, mcpTools } from "../src/client/index.ts";
import { mcpServer, type McpServerOptions } from "../src/server/index.ts";
import { type Loopback, loopback } from "./loopback.ts";
import { alice, toolContext } from "./tool-context.ts";

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function running<Started extends { run(): unknown; stop(): Promise<unknown> }>(flow: Started): Started {
  flow.run();
  closing.push(async () => await flow.stop());
  return flow;
}

/** Tokens of the users: who they are is what the server makes of them. */
const users: Readonly<Record<string, { readonly tenant: string; readonly user: string }>> = {
  "token-of-alice": { tenant: "acme", user: "alice" },
  "token-of-bob": { tenant: "acme", user: "bob" },
};

const signedIn: Pick<McpServerOptions, "authenticate" | "caller"> = {
  authenticate: requireBearerAuth({
    verifier: {
      verifyAccessToken: async (token) => {
        if (users[token] === undefined) throw new OAuthError(OAuthErrorCode.InvalidToken, "unknown token");
        return { token, clientId: "test", scopes: [], expiresAt: Date.now() / 1000 + 60 };
      },
    },
  }),
  caller: ({ authInfo }) => users[authInfo?.token ?? ""] as { tenant: string },
};

interface Served extends Loopback {
  /** Requests as they came. */
  readonly seen: {
    readonly method: string;
    readonly authorization: string | undefined;
    readonly session: string | undefined;
  }[];
}

/** Serves flows on this machine. */
async function served(tools: McpServerOptions["tools"], options: Partial<McpServerOptions> = {}): Promise<Served> {
  const server = mcpServer({ name: "test", version: "1.0.0", tools, ...options });
  const listener = server.listener();
  const seen: Served["seen"] = [];
  const at = await loopback((request, response) => {
    const { authorization, "mcp-session-id": session } = request.headers;
    seen.push({ method: request.method ?? "", authorization, session: session as string | undefined });
    listener(request, response);
  });
  closing.push(async () => {
    await server.close();
    await at.close();
  });
  return { ...at, seen };
}

/** Says for whom it runs: the tenant as the flow was told, the user as the payload was made of. */
const whoami = () => {
  const flow = running(
    create(
      node(
        { name: "whoami", input: z.object({ user: z.string().optional() }) },
        ({ payload }, ctx) => `${ctx.tenant}/${payload.user}`,
      ).to(),
    ),
  );
  return {
    flow,
    name: "whoami",
    description: "Says who you are",
    inputSchema: { type: "object", properties: { user: { type: "string" } } },
    payload: (_args: unknown, { user }: { readonly user?: string | undefined }) => ({ user }),
  };
};

const list = async (source: ReturnType<typeof mcpTools>, caller = alice, credential?: unknown) =>
  (await source.list({ caller, credential, signal: new AbortController().signal })) as readonly McpTool[];

const bob = { ...alice, user: "bob" };

describe("two users of one source", () => {
  test("have a connection and a token each, and each acts as themselves", async () => {
    const { url, seen } = await served([whoami()], signedIn);
    const source = mcpTools("crm", { url, signsIn: "user" });
    closing.push(async () => await source.close());
    const run = async (caller: typeof alice, credential: string, args: object = {}) => {
      const [tool] = await list(source, caller, credential);
      return await tool?.run(args, toolContext({ caller, credential }));
    };
    expect(
      await Promise.all([
        run(alice, "token-of-alice"),
        run(bob, "token-of-bob"),
        // a name that the model writes is not the caller
        run(bob, "token-of-bob", { user: "alice" }),
      ]),
    ).toEqual(["alice", "bob", "bob"].map((user) => ({ kind: "text", text: `acme/${user}` })));
    expect(new Set(seen.map(({ authorization }) => authorization))).toEqual(
      new Set(["Bearer token-of-alice", "Bearer token-of-bob"]),
    );
  });

  test("do not share a session of the 2025 protocol, even if one knows the other's", async () => {
    const { url, seen } = await served([whoami()], signedIn);
    const client = await legacyClient(url, "token-of-alice");
    await client.listTools();
    const session = seen.map((request) => request.session).find((id) => id !== undefined);
    const stolen = await fetch(url, {
      method: "POST",
      headers: {
        authorization: "Bearer token-of-bob",
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        "mcp-session-id": session as string,
      },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" }),
    });
    expect(stolen.status).toBe(404);
    await stolen.body?.cancel();
  });

  test("a token that is renewed is used from the next call on, over the same connection", async () => {
    const { url, seen } = await served([whoami()], signedIn);
    const source = mcpTools("crm", { url, signsIn: "user" });
    closing.push(async () => await source.close());
    const [tool] = await list(source, alice, "token-of-alice");
    expect(await tool?.run({}, toolContext({ credential: "worthless" }))).toMatchObject({
      kind: "error",
      code: "SIGN_IN_FAILED",
    });
    expect(await tool?.run({}, toolContext({ credential: "token-of-alice" }))).toMatchObject({ text: "acme/alice" });
    expect(seen.filter(({ authorization }) => authorization === "Bearer worthless")).not.toHaveLength(0);
  });

  test("a caller without a credential is told to sign in, and no error tells a credential", async () => {
    const { url } = await served([whoami()], signedIn);
    const source = mcpTools("crm", { url, signsIn: "user" });
    closing.push(async () => await source.close());
    await expect(list(source)).rejects.toMatchObject({
      code: "REMOTE_REFUSED",
      message: expect.stringMatching(/has to sign in/) as string,
    });
    const error: unknown = await list(source, alice, "canary-token").catch((failure: unknown) => failure);
    expect(`${JSON.stringify(error)}${String((error as Error).stack)}${String((error as Error).cause)}`).not.toContain(
      "canary",
    );
  });
});

async function legacyClient(url: string, token?: string, answer?: (params: ElicitRequestParams) => unknown) {
  const client = new Client({ name: "old", version: "1" }, { capabilities: { elicitation: { form: {} } } });
  client.setRequestHandler("elicitation/create", ({ params }) => answer?.(params) as { action: "accept" });
  await client.connect(
    new StreamableHTTPClientTransport(
      new URL(url),
      token === undefined ? {} : { authProvider: { token: async () => token } },
    ),
  );
  closing.push(async () => await client.close());
  return client;
}

const modernClient = async (url: string, answer?: (params: ElicitRequestParams) => unknown) => {
  const client = new Client(
    { name: "new", version: "1" },
    { capabilities: { elicitation: { form: {} } }, versionNegotiation: { mode: "auto" } },
  );
  client.setRequestHandler("elicitation/create", ({ params }) => answer?.(params) as { action: "accept" });
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  closing.push(async () => await client.close());
  return client;
};

describe.each(["legacy", "modern"] as const)("a %s client over HTTP", (era) => {
  const connect = async (url: string, answer?: (params: ElicitRequestParams) => unknown) =>
    era === "legacy" ? await legacyClient(url, undefined, answer) : await modernClient(url, answer);

  test("cancels the trace with its call", async () => {
    const begun = Promise.withResolvers<void>();
    const flow = running(
      create(
        node("wait", async (_message, ctx) => {
          begun.resolve();
          await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
        }).to(),
      ),
    );
    const { url } = await served([{ flow, name: "wait", description: "Waits" }]);
    const client = await connect(url);
    const stop = new AbortController();
    const call = client.callTool({ name: "wait" }, { signal: stop.signal });
    await begun.promise;
    stop.abort();
    await expect(call).rejects.toThrow(/abort/i);
    await expect.poll(() => flow.stats().traces).toBe(0);
  });

  test("answers the question of a pause", async () => {
    const flow = running(
      create(node("ask", async (_message, ctx) => await ctx.pause<string>({ reason: "Name?" })).to()),
    );
    const { url } = await served([{ flow, name: "ask", description: "Asks" }]);
    const client = await connect(url, () => ({ action: "accept", content: { answer: "Pingu" } }));
    expect((await client.callTool({ name: "ask" })).content).toEqual([{ type: "text", text: "Pingu" }]);
  });

  test("hears chunks while the flow runs", async () => {
    const go = Promise.withResolvers<void>();
    const flow = running(
      create(
        node("talk", async (message, ctx) => {
          await ctx.emitChunk({ parent: message, text: "so far" });
          await go.promise;
          return "done";
        }).to(),
      ),
    );
    const { url } = await served([{ flow, name: "talk", description: "Talks" }]);
    const client = await connect(url);
    const call = client.callTool(
      { name: "talk" },
      { onprogress: ({ message }) => message === "so far" && go.resolve() },
    );
    expect((await call).content).toEqual([{ type: "text", text: "done" }]);
  });
});

test("an answer of another user, or with a state that was changed, does not resume a call", async () => {
  const flow = running(create(node("ask", async (_message, ctx) => await ctx.pause<string>({ reason: "Name?" })).to()));
  const { url } = await served([{ flow, name: "ask", description: "Asks" }], signedIn);
  const connect = async (token: string) => {
    const client = new Client(
      { name: "new", version: "1" },
      { capabilities: { elicitation: { form: {} } }, versionNegotiation: { mode: "auto" } },
    );
    await client.connect(
      new StreamableHTTPClientTransport(new URL(url), { authProvider: { token: async () => token } }),
    );
    closing.push(async () => await client.close());
    return client;
  };
  const [ofAlice, ofBob] = await Promise.all([connect("token-of-alice"), connect("token-of-bob")]);
  const asked = await ofAlice.callTool({ name: "ask" }, { allowInputRequired: true });
  const { requestState, inputRequests } = asked as unknown as { requestState: string; inputRequests: object };
  const [key = ""] = Object.keys(inputRequests);
  const answer = (state: string) => ({
    name: "ask",
    inputResponses: { [key]: { action: "accept" as const, content: { answer: "Eve" } } },
    requestState: state,
  });
  expect(await ofBob.callTool(answer(requestState))).toMatchObject({
    isError: true,
    _meta: { "penguiflow/error": { code: "PAUSE_FOREIGN" } },
  });
  const changed = requestState.replace(/^./, (first) => (first === "A" ? "B" : "A"));
  await expect(ofAlice.callTool(answer(changed))).rejects.toThrow(/requestState/);
  expect((await ofAlice.callTool(answer(requestState))).content).toEqual([{ type: "text", text: "Eve" }]);
  // it works once
  expect(await ofAlice.callTool(answer(requestState))).toMatchObject({ isError: true });
});

describe("a server without authentication", () => {
  test("serves only names of this machine: a page of another site cannot reach it", async () => {
    const flow = running(create(payloadNode("one", () => 1).to()));
    const server = mcpServer({ name: "t", version: "1", tools: [{ flow, name: "one", description: "One" }] });
    const post = async (url: string, headers: Record<string, string>) => {
      const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" });
      return (await server.fetch(new Request(url, { method: "POST", body, headers }))).status;
    };
    expect(await post("http://evil.example/mcp", { host: "evil.example" })).toBe(403);
    expect(await post("http://localhost/mcp", { host: "localhost", origin: "https://evil.example" })).toBe(403);
  });
});

describe("sessions", () => {
  test("end when they are unused for long, and the source begins another one without a failure", async () => {
    const clock = new TestClock();
    const { url } = await served([whoami()], { clock, sessionIdleMs: 1000 });
    const client = await legacyClient(url);
    await client.listTools();
    await clock.advance(1001);
    await expect(client.listTools()).rejects.toThrow(/Session not found/);
  });

  test("are bounded: a further one ends the longest unused", async () => {
    const { url } = await served([whoami()], { maxSessions: 1 });
    const first = await legacyClient(url);
    await first.listTools();
    const second = await legacyClient(url);
    await second.listTools();
    await expect(first.listTools()).rejects.toThrow(/Session not found/);
  });
});

describe("a source", () => {
  test("begins a new session with a server that has restarted, and makes its call there", async () => {
    const flow = running(create(payloadNode("hi", () => "hi").to()));
    const make = () => mcpServer({ name: "t", version: "1", tools: [{ flow, name: "hi", description: "Hi" }] });
    let server = make();
    // a server that speaks only the 2025 protocol
    const at = await loopback((request, response) => {
      if (request.headers["mcp-protocol-version"]?.includes("2026") === true) response.writeHead(400).end();
      else server.listener()(request, response);
    });
    const source = mcpTools("hi", { url: at.url });
    closing.push(
      async () => await at.close(),
      async () => await source.close(),
    );
    const [tool] = await list(source);
    await server.close();
    server = make();
    expect(await tool?.run({}, toolContext())).toEqual({ kind: "text", text: "hi" });
    await server.close();
  });

  test("whose server breaks off in the midst of a call fails at once, and not by its timeout", async () => {
    const flow = running(
      create(
        node("wait", async (message, ctx) => {
          await ctx.emitChunk({ parent: message, text: "begun" });
          await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
        }).to(),
      ),
    );
    const at = await served([{ flow, name: "wait", description: "Waits" }]);
    const source = mcpTools("wait", { url: at.url, timeoutMs: 600_000 });
    closing.push(async () => await source.close());
    const [tool] = await list(source);
    const ctx = toolContext();
    const call = tool?.run({}, ctx);
    await expect.poll(() => ctx.told).toHaveLength(1);
    at.server.closeAllConnections();
    await expect(call).rejects.toMatchObject({
      code: "REMOTE_CUT",
      message: expect.stringMatching(/^Cannot call "wait" of MCP server "wait": the connection was cut/) as string,
    });
  });

  test("sends the headers that it was given, made anew for each request", async () => {
    const { url, seen } = await served([whoami()]);
    const source = mcpTools("crm", {
      url,
      signsIn: "service",
      headers: ({ credential }) => ({ authorization: `Key ${(credential as { readonly key: string }).key}` }),
    });
    closing.push(async () => await source.close());
    await list(source, alice, { key: "k" });
    expect(new Set(seen.map(({ authorization }) => authorization))).toEqual(new Set(["Key k"]));
  });

  test("names what is wrong with a server that cannot be reached", async () => {
    const at = await loopback(() => {});
    await at.close();
    const source = mcpTools("gone", { url: at.url });
    await expect(list(source)).rejects.toMatchObject({
      code: "REMOTE_UNAVAILABLE",
      message: expect.stringMatching(/^Cannot connect to MCP server "gone": .*ECONNREFUSED/) as string,
    });
  });
});
