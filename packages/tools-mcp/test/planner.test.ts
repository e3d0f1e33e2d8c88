import { createRequire } from "node:module";
import { Client, InMemoryTransport } from "@modelcontextprotocol/client";
import { McpServer, requireBearerAuth, WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/server";
import { createPlanner, tool } from "@penguiflow/planner";
import { scriptedModel } from "@penguiflow/planner/testing";
import { type CheckpointStore, create, MemoryCheckpointStore, payloadNode } from "penguiflow";
import { durable } from "penguiflow/durable";
import { afterEach, expect, test } from "vitest";
import { z } from "zod";
import { wrapPartition } from "../../core/src/testing/kit/wrap-partition.ts";
import { mcpTools } from "../src/client/index.ts";
import { mcpServer } from "../src/server/index.ts";
import { loopback } from "./loopback.ts";

const require = createRequire(import.meta.url);
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

test("a planner calls tools of a server, asks before one, and passes the server's question to a person", async () => {
  const everything = mcpTools("all", {
    command: process.execPath,
    args: [require.resolve("@modelcontextprotocol/server-everything/dist/index.js")],
    allow: ["echo", "get-sum", "trigger-elicitation-request"],
    tools: { "get-sum": { effects: "reads" }, echo: { approval: true } },
  });
  closing.push(async () => await everything.close());
  const model = scriptedModel([
    { calls: [{ tool: "all_get-sum", args: { a: 2, b: 3 } }] },
    { calls: [{ tool: "all_echo", args: { message: "hi" } }] },
    { calls: [{ tool: "all_trigger-elicitation-request" }] },
    "done",
  ]);
  await using planner = createPlanner({ name: "helper", model, tools: [everything] }).start();
  const who = { tenant: "default", by: "ann" };
  let result = await planner.run("go");
  for (const decision of [{ approved: true as const }, { value: { name: "Ada", check: true } }]) {
    if (result.status !== "paused") throw new TypeError(`Expected a pause: got ${JSON.stringify(result)}`);
    result = await planner.resume(result.questions[0]?.token ?? "", decision, who);
  }
  expect(result).toMatchObject({ status: "completed", output: "done" });
  expect(result.steps.map(({ calls }) => calls[0]?.output)).toMatchObject([
    { kind: "text", text: expect.stringContaining("5") as string },
    { kind: "text", text: "Echo: hi" },
    { kind: "text", text: expect.stringContaining("Ada") as string },
    undefined,
  ]);
});

test("a planner whose server cannot be reached goes on without its tools", async () => {
  const gone = mcpTools("gone", { command: "/no/such/program" });
  const model = scriptedModel(["nothing to call"]);
  await using planner = createPlanner({ name: "helper", model, tools: [gone] }).start();
  expect(await planner.run("go")).toMatchObject({ status: "completed", output: "nothing to call" });
});

test("a run has the tools that its server announces with its next model call, and not in the midst of one", async () => {
  let registered = 0;
  const make = (): McpServer => {
    const server = new McpServer({ name: "s", version: "1" }, { capabilities: { tools: { listChanged: true } } });
    const more = (): void => {
      registered += 1;
      const name = `tool-${registered}`;
      server.registerTool(name, { inputSchema: z.object({}) }, () => {
        more();
        return { content: [{ type: "text", text: `${name} ran` }] };
      });
    };
    more();
    return server;
  };
  const server = make();
  const told: string[] = [];
  const source = mcpTools("s", {
    connect: async () => {
      const [near, far] = InMemoryTransport.createLinkedPair();
      await server.connect(far);
      return near;
    },
    effects: "reads",
  });
  closing.push(async () => await source.close());
  const model = scriptedModel([{ calls: [{ tool: "s_tool-1" }] }, { calls: [{ tool: "s_tool-2" }] }, "done"]);
  await using planner = createPlanner({ name: "helper", model, tools: [source] }).start();
  planner.onToolsChange((name) => told.push(name));
  const end = await planner.run("go");
  expect(end.steps.map(({ calls }) => calls[0]?.output)).toMatchObject([
    { text: "tool-1 ran" },
    { text: "tool-2 ran" },
    undefined,
  ]);
  expect(model.calls.map(({ tools }) => tools?.map(({ name }) => name))).toEqual([
    ["s_tool-1"],
    ["s_tool-1", "s_tool-2"],
    ["s_tool-1", "s_tool-2", "s_tool-3"],
  ]);
  expect(told).toEqual(["s", "s"]);
});

test("an argument that is secret reaches the server alone, which may tell it", async () => {
  const got: unknown[] = [];
  const server = new McpServer({ name: "s", version: "1" });
  server.registerTool("login", { inputSchema: z.object({ user: z.string(), password: z.string() }) }, (args) => {
    got.push(args);
    return { content: [{ type: "text", text: `logged in with ${args.password}` }] };
  });
  const source = mcpTools("s", {
    connect: async () => {
      const [near, far] = InMemoryTransport.createLinkedPair();
      await server.connect(far);
      return near;
    },
    tools: { login: { secrets: ["password"], approval: true } },
  });
  closing.push(async () => await source.close());
  const args = { user: "ada", password: "canary-4713" };
  const model = scriptedModel([{ calls: [{ tool: "s_login", args }] }, "done"]);
  await using planner = createPlanner({ name: "helper", model, tools: [source] }).start();
  const asked = await planner.run("go");
  const [question] = asked.status === "paused" ? asked.questions : [];
  const end = await planner.resume(question?.token ?? "", { approved: true }, { tenant: "default", by: "ann" });
  expect(got).toEqual([args]);
  expect(end.steps[0]?.calls[0]).toMatchObject({
    args: { user: "ada", password: "[secret]" },
    output: { text: "logged in with [secret]" },
  });
  expect(JSON.stringify([asked, end, model.calls])).not.toContain("canary");
});

test("a planner hears over HTTP that its server has other tools", async () => {
  const server = new McpServer({ name: "s", version: "1" }, { capabilities: { tools: { listChanged: true } } });
  server.registerTool("one", { inputSchema: z.object({}) }, () => ({ content: [] }));
  const transport = new WebStandardStreamableHTTPServerTransport({ sessionIdGenerator: () => "session" });
  await server.connect(transport);
  const source = mcpTools("s", {
    url: "http://127.0.0.1/mcp",
    fetch: async (input, init) => await transport.handleRequest(new Request(input, init)),
    effects: "reads",
  });
  closing.push(
    async () => await server.close(),
    async () => await source.close(),
  );
  await using planner = createPlanner({ name: "helper", model: scriptedModel([]), tools: [source] }).start();
  const names = async () => {
    const { tools } = await planner.tools({ tenant: "t" }, new AbortController().signal);
    return tools.map(({ tool: { name } }) => name);
  };
  const told = Promise.withResolvers<string>();
  planner.onToolsChange(told.resolve);
  expect(await names()).toEqual(["s_one"]);
  server.registerTool("two", { inputSchema: z.object({}) }, () => ({ content: [] }));
  expect(await told.promise).toBe("s");
  expect(await names()).toEqual(["s_one", "s_two"]);
});

test("a planner is a tool of a server: its approvals are asked the client's user, who may refuse", async () => {
  const paid: number[] = [];
  const pay = tool({
    name: "pay",
    description: "Pays",
    input: z.object({ amount: z.number() }),
    effects: "writes",
    approval: true,
    run: ({ amount }) => {
      paid.push(amount);
      return "paid";
    },
  });
  const script = () => scriptedModel([{ calls: [{ tool: "pay", args: { amount: 5 } }] }, "all done"]);
  for (const action of ["accept", "decline"] as const) {
    await using planner = createPlanner({ name: "helper", model: script(), tools: [pay] }).start();
    await using server = mcpServer({
      name: "s",
      version: "1",
      tools: [
        {
          flow: planner.flow,
          name: "helper",
          description: "Helps",
          input: z.object({ prompt: z.string() }),
          payload: ({ prompt }: { readonly prompt: string }) => ({ prompt }),
        },
      ],
    });
    const [near, far] = InMemoryTransport.createLinkedPair();
    const served = server.serve(far);
    const client = new Client(
      { name: "c", version: "1" },
      { capabilities: { elicitation: { form: {} } }, versionNegotiation: { mode: "auto" } },
    );
    const asked: string[] = [];
    client.setRequestHandler("elicitation/create", ({ params }) => {
      asked.push(params.message);
      return { action, ...(action === "accept" ? { content: {} } : {}) };
    });
    await client.connect(near);
    const result = await client.callTool({ name: "helper", arguments: { prompt: "Pay 5" } });
    expect(asked).toEqual([expect.stringMatching(/pay.*"amount":5/s)]);
    // a denial is a result for the model, and the run goes on
    expect(result.content).toEqual([{ type: "text", text: "all done" }]);
    await client.close();
    await served;
  }
  expect(paid).toEqual([5]);
});

test("two users of one planner have tokens of their own, which no checkpoint, event or prompt has, even if the server tells them", async () => {
  const tokens = { alice: "canary-token-of-alice", bob: "canary-token-of-bob" } as const;
  const flow = create(payloadNode("whoami", ({ token }: { token: string }) => `You came with ${token}`).to());
  flow.run();
  const seen: (string | undefined)[] = [];
  const server = mcpServer({
    name: "crm",
    version: "1.0.0",
    tools: [
      {
        flow,
        name: "whoami",
        description: "Says who you are",
        input: z.object({}),
        payload: (_args: unknown, { user }: { readonly user?: string | undefined }) => ({ token: user }),
      },
    ],
    authenticate: requireBearerAuth({
      verifier: {
        verifyAccessToken: async (token) => ({
          token,
          clientId: "test",
          scopes: [],
          expiresAt: Date.now() / 1000 + 60,
        }),
      },
    }),
    caller: ({ authInfo }) => {
      seen.push(authInfo?.token);
      return { tenant: "acme", user: authInfo?.token };
    },
  });
  const at = await loopback(server.listener());
  const source = mcpTools("crm", { url: at.url, signsIn: "user", effects: "reads" });
  const stored: string[] = [];
  const checkpoints: CheckpointStore = {
    async open(lease) {
      const partition = await memory.open(lease);
      return wrapPartition(partition, {
        append: (batch, sequence) => {
          stored.push(JSON.stringify(batch));
          return partition.append(batch, sequence);
        },
      });
    },
  };
  const memory = new MemoryCheckpointStore();
  const prompts: string[] = [];
  const model = scriptedModel(({ prompt }) => {
    prompts.push(JSON.stringify(prompt));
    return prompt.some(({ role }) => role === "tool") ? "done" : { calls: [{ tool: "crm_whoami" }] };
  });
  const planner = createPlanner({
    name: "helper",
    model,
    tools: [source],
    credentials: ({ user }) => tokens[user as keyof typeof tokens],
    flow: { durability: durable({ checkpoints }) },
  }).start();
  closing.push(
    async () => await at.close(),
    async () => await flow.stop(),
    async () => await server.close(),
    async () => await source.close(),
    async () => await planner.flow.stop(),
  );
  const eventsOf = async (user: keyof typeof tokens) => {
    const events = [];
    for await (const event of planner.stream("Who am I?", { tenant: "acme", user })) events.push(event);
    return events;
  };
  const [ofAlice, ofBob] = await Promise.all([eventsOf("alice"), eventsOf("bob")]);
  for (const events of [ofAlice, ofBob])
    expect(events.find(({ type }) => type === "result")).toMatchObject({ output: { text: "You came with [secret]" } });
  expect(new Set(seen)).toEqual(new Set(Object.values(tokens)));
  expect(stored.length).toBeGreaterThan(0);
  expect(prompts).toHaveLength(4);
  expect(JSON.stringify([ofAlice, ofBob, stored, prompts])).not.toContain("canary");
});
