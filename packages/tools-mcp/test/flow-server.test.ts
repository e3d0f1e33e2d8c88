import { Client, type ElicitRequestParams, InMemoryTransport, type ProtocolEra } from "@modelcontextprotocol/client";
import { create, node, payloadNode, type PauseTicket } from "penguiflow";
import { TestClock } from "penguiflow/testing";
import { afterEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { mcpServer, type McpServerOptions, type McpToolInit } from "../src/server/index.ts";

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

interface Asked {
  readonly params: ElicitRequestParams;
}

/** Connects a client of an era to a server with these tools, over a linked pair in memory. */
async function connected(
  era: ProtocolEra,
  tools: readonly McpToolInit[],
  init: Partial<McpServerOptions> & {
    readonly answer?: (params: ElicitRequestParams) => unknown;
    readonly isMute?: boolean;
    readonly canVisit?: boolean;
  } = {},
) {
  const {
    answer = (params: ElicitRequestParams) => ({ action: "accept", ...(params.mode === "url" ? {} : { content: {} }) }),
    isMute = false,
    canVisit = false,
    ...options
  } = init;
  const server = mcpServer({ name: "test", version: "1.0.0", tools, ...options });
  const [near, far] = InMemoryTransport.createLinkedPair();
  const served = server.serve(far);
  const asked: Asked[] = [];
  const client = new Client(
    { name: "client", version: "1.0.0" },
    {
      versionNegotiation: { mode: era === "modern" ? "auto" : "legacy" },
      ...(isMute ? {} : { capabilities: { elicitation: { form: {}, ...(canVisit ? { url: {} } : {}) } } }),
    },
  );
  if (!isMute)
    client.setRequestHandler("elicitation/create", ({ params }) => {
      asked.push({ params });
      return answer(params) as { action: "accept" };
    });
  await client.connect(near);
  expect(client.getProtocolEra()).toBe(era);
  closing.push(async () => {
    await client.close();
    await served;
    await server.close();
  });
  return { client, server, asked };
}

/** Starts a flow that is stopped after the test. */
function running<Started extends { run(): unknown; stop(): Promise<unknown> }>(flow: Started): Started {
  flow.run();
  closing.push(async () => await flow.stop());
  return flow;
}

const Order = z.object({ item: z.string(), count: z.number().int().default(1) });
const Receipt = z.object({ item: z.string(), total: z.number() });

const pricing = () =>
  running(
    create(
      payloadNode({ name: "price", input: Order, output: Receipt }, ({ item, count }) => ({
        item,
        total: count * 2,
        cost: "internal",
      })).to(),
      { name: "pricing" },
    ),
  );

describe.each(["legacy", "modern"] as const)("a %s client", (era) => {
  test("is told of a flow with the schemas of its entry and exit", async () => {
    const { client } = await connected(era, [{ flow: pricing(), description: "Prices an order" }]);
    const { tools } = await client.listTools();
    expect(tools).toMatchObject([
      {
        name: "pricing",
        description: "Prices an order",
        inputSchema: { type: "object", required: ["item"], properties: { count: { default: 1 } } },
        outputSchema: { type: "object", required: ["item", "total"] },
      },
    ]);
  });

  test("gets the parsed result: defaults are filled in, keys beside the schema left out", async () => {
    const { client } = await connected(era, [{ flow: pricing(), description: "Prices an order" }]);
    await client.listTools();
    const result = await client.callTool({ name: "pricing", arguments: { item: "fish" } });
    expect(result.structuredContent).toEqual({ item: "fish", total: 2 });
  });

  test("is told which arguments do not fit", async () => {
    const { client } = await connected(era, [{ flow: pricing(), description: "Prices an order" }]);
    const result = await client.callTool({ name: "pricing", arguments: { item: 7 } });
    expect(result).toMatchObject({ isError: true, content: [{ text: expect.stringMatching(/item/) as string }] });
  });

  test("passes a text to a flow of text, as the property of an object", async () => {
    const flow = running(create(payloadNode({ name: "shout", input: z.string() }, (text) => text.toUpperCase()).to()));
    const { client } = await connected(era, [{ flow, name: "shout", description: "Shouts" }]);
    const result = await client.callTool({ name: "shout", arguments: { input: "fish" } });
    expect(result.content).toEqual([{ type: "text", text: "FISH" }]);
  });

  test("hears chunks as progress", async () => {
    const flow = running(
      create(
        node("talk", async (message, ctx) => {
          for (const text of ["one ", "two "]) await ctx.emitChunk({ parent: message, text });
          // the SDK drops progress that comes together with the result
          await new Promise((resolve) => setImmediate(resolve));
          return "done";
        }).to(),
      ),
    );
    const { client } = await connected(era, [{ flow, name: "talk", description: "Talks" }]);
    const told: unknown[] = [];
    await client.callTool({ name: "talk" }, { onprogress: ({ progress, message }) => told.push([progress, message]) });
    expect(told).toEqual([
      [1, "one "],
      [2, "two "],
    ]);
  });

  test("cancels the trace with its call", async () => {
    const begun = Promise.withResolvers<void>();
    const heard = Promise.withResolvers<unknown>();
    const flow = running(
      create(
        node("wait", async (_message, ctx) => {
          begun.resolve();
          await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
          heard.resolve(ctx.signal.reason);
        }).to(),
      ),
    );
    const { client } = await connected(era, [{ flow, name: "wait", description: "Waits" }]);
    const stop = new AbortController();
    const call = client.callTool({ name: "wait" }, { signal: stop.signal });
    await begun.promise;
    stop.abort();
    await expect(call).rejects.toThrow(/abort/i);
    expect(await heard.promise).toBeDefined();
    await expect.poll(() => flow.stats().traces).toBe(0);
  });

  test("is told how a flow failed, with the code of the error", async () => {
    const flow = running(
      create(
        payloadNode("fail", () => {
          throw new Error("no fish left");
        }).to(),
      ),
    );
    const { client } = await connected(era, [{ flow, name: "fail", description: "Fails" }]);
    const result = await client.callTool({ name: "fail" });
    expect(result).toMatchObject({
      isError: true,
      content: [{ text: expect.stringMatching(/no fish left/) as string }],
      _meta: { "penguiflow/error": { code: "NODE_EXCEPTION" } },
    });
  });

  const asking = () =>
    running(
      create(
        node("ask", async (message, ctx) => {
          const { ok } = await ctx.pause({ reason: "Really?", resumeSchema: z.object({ ok: z.boolean() }) });
          return ok ? `done: ${JSON.stringify(message.payload)}` : "left alone";
        }).to(),
      ),
    );
  const question = ({ reason }: PauseTicket) => ({
    message: reason,
    schema: { type: "object", properties: { ok: { type: "boolean" } }, required: ["ok"] },
  });

  test("is asked for the answer to a pause, which resumes the trace", async () => {
    const flow = asking();
    const { client, asked } = await connected(era, [{ flow, name: "ask", description: "Asks", question }], {
      answer: () => ({ action: "accept", content: { ok: true } }),
    });
    const result = await client.callTool({ name: "ask", arguments: { fish: 1 } });
    expect(asked).toMatchObject([{ params: { message: "Really?" } }]);
    expect(result.content).toEqual([{ type: "text", text: 'done: {"fish":1}' }]);
  });

  test("is sent to a page, or shown it where it can open none", async () => {
    const url = "https://app.example/sign-in";
    const tool = () => ({
      flow: running(
        create(node("visit", async (_message, ctx) => (await ctx.pause({ reason: "Sign in" })) && "in").to()),
      ),
      name: "visit",
      description: "Signs in",
      question: () => ({ message: "Sign in", url }),
      answer: () => true,
    });
    const first = await connected(era, [tool()]);
    expect((await first.client.callTool({ name: "visit" })).content).toEqual([{ type: "text", text: "in" }]);
    expect(first.asked).toMatchObject([{ params: { message: `Sign in\n${url}`, mode: "form" } }]);
    const second = await connected(era, [tool()], { canVisit: true });
    expect((await second.client.callTool({ name: "visit" })).content).toEqual([{ type: "text", text: "in" }]);
    expect(second.asked).toMatchObject([{ params: { message: "Sign in", mode: "url", url } }]);
  });

  test("denies by refusing: the trace is cancelled, or resumed with the value for a refusal", async () => {
    const flow = asking();
    const refusing = { answer: () => ({ action: "decline" }) };
    const first = await connected(era, [{ flow, name: "ask", description: "Asks", question }], refusing);
    expect(await first.client.callTool({ name: "ask" })).toMatchObject({
      isError: true,
      content: [{ text: expect.stringMatching(/Denied/) as string }],
    });
    expect(flow.stats().traces).toBe(0);
    const refusal = () => ({ ok: false });
    const second = await connected(era, [{ flow, name: "ask", description: "Asks", question, refusal }], refusing);
    expect((await second.client.callTool({ name: "ask" })).content).toEqual([{ type: "text", text: "left alone" }]);
  });

  test("is asked again, with the reason, after an answer that does not fit", async () => {
    const answers = [{ ok: "perhaps" }, { ok: true }];
    const { client, asked } = await connected(
      era,
      [
        {
          flow: asking(),
          name: "ask",
          description: "Asks",
          question: ({ reason }) => ({
            message: reason,
            schema: { type: "object", properties: { ok: { type: "string" } } },
          }),
          answer: (content) => ({ ok: content["ok"] === "yes" ? true : content["ok"] }),
        },
      ],
      {
        answer: () => ({ action: "accept", content: answers.shift()?.ok === true ? { ok: "yes" } : { ok: "perhaps" } }),
      },
    );
    const result = await client.callTool({ name: "ask" });
    expect(asked.map(({ params }) => params.message)).toEqual(["Really?", expect.stringMatching(/\nReally\?$/)]);
    expect(result.isError).not.toBe(true);
  });

  test("answers a question without a schema with a text", async () => {
    const flow = running(
      create(node("ask", async (_message, ctx) => await ctx.pause<string>({ reason: "Name?" })).to()),
    );
    const { client } = await connected(era, [{ flow, name: "ask", description: "Asks" }], {
      answer: () => ({ action: "accept", content: { answer: "Pingu" } }),
    });
    expect((await client.callTool({ name: "ask" })).content).toEqual([{ type: "text", text: "Pingu" }]);
  });

  test("answers all open questions of a call at once", async () => {
    const ask = (name: string) => node(name, async (_message, ctx) => await ctx.pause<string>({ reason: name }));
    const start = payloadNode("start", () => "go");
    const end = payloadNode("end", (text: string) => text);
    const flow = running(create(start.to(ask("left"), ask("right")).to(end)));
    const { client, asked } = await connected(era, [{ flow, name: "both", description: "Asks twice" }], {
      answer: ({ message }) => ({ action: "accept", content: { answer: `to ${message}` } }),
    });
    const result = await client.callTool({ name: "both" });
    expect(asked.map(({ params }) => params.message).sort()).toEqual(["left", "right"]);
    expect(result.content).toEqual([{ type: "text", text: expect.stringMatching(/^to (?:left|right)$/) as string }]);
    expect(flow.stats().traces).toBe(0);
  });

  test("that cannot ask its user is told so, and the trace is cancelled", async () => {
    const flow = asking();
    const { client } = await connected(era, [{ flow, name: "ask", description: "Asks", question }], { isMute: true });
    const result = await client.callTool({ name: "ask" });
    expect(result).toMatchObject({
      isError: true,
      content: [{ text: expect.stringMatching(/elicitation/) as string }],
    });
    await expect.poll(() => flow.stats().traces).toBe(0);
  });

  test("that answers too late finds its trace cancelled", async () => {
    const clock = new TestClock();
    const flow = asking();
    const reached = Promise.withResolvers<void>();
    const late = Promise.withResolvers<unknown>();
    const { client } = await connected(era, [{ flow, name: "ask", description: "Asks", question }], {
      clock,
      answerWithinMs: 60_000,
      answer: async () => {
        reached.resolve();
        return await late.promise;
      },
    });
    const call = client.callTool({ name: "ask" });
    await reached.promise;
    expect(flow.stats().traces).toBe(1);
    await clock.advance(60_000);
    await expect.poll(() => flow.stats().traces).toBe(0);
    late.resolve({ action: "accept", content: { ok: true } });
    expect(await call).toMatchObject({ isError: true, _meta: { "penguiflow/error": { code: "PAUSE_USED" } } });
  });
});

test("the ends of a planner's run are told as what they are", async () => {
  const base = { runId: "r", steps: [], spent: { steps: 1, toolCalls: 0, tokens: 0, costUsd: 0 } };
  const ends = [
    { ...base, status: "completed", output: { fish: 3 }, text: "Three" },
    { ...base, status: "exhausted", which: "steps", text: "so far" },
  ];
  const flow = running(create(payloadNode("plan", () => ends.shift()).to()));
  const { client } = await connected("modern", [{ flow, name: "plan", description: "Plans" }]);
  expect(await client.callTool({ name: "plan" })).toMatchObject({ structuredContent: { fish: 3 } });
  expect(await client.callTool({ name: "plan" })).toMatchObject({
    isError: true,
    content: [{ text: "The planner has used up its budget of steps. so far" }],
    _meta: { "penguiflow/error": { code: "BUDGET_EXHAUSTED" } },
  });
});

test("content with files is told as images, sounds and resources", async () => {
  const parts = [
    { type: "text", text: "Here:" },
    { type: "file", mediaType: "image/png", data: "AAAA" },
    { type: "file", mediaType: "audio/wav", data: "AAAA" },
    { type: "file", mediaType: "application/pdf", data: "AAAA", filename: "a b.pdf" },
  ];
  const flow = running(create(payloadNode("files", () => ({ kind: "content", parts })).to()));
  const { client } = await connected("modern", [{ flow, name: "files", description: "Gives files" }]);
  expect((await client.callTool({ name: "files" })).content).toEqual([
    { type: "text", text: "Here:" },
    { type: "image", mimeType: "image/png", data: "AAAA" },
    { type: "audio", mimeType: "audio/wav", data: "AAAA" },
    { type: "resource", resource: { uri: "file:///a%20b.pdf", mimeType: "application/pdf", blob: "AAAA" } },
  ]);
});

describe("refused when the server is made", () => {
  const dated = () => create(payloadNode({ name: "dated", input: z.object({ on: z.date() }) }, () => 1).to());

  test("a schema that cannot be told: one would make the whole list fail", () => {
    const tools = [
      { flow: pricing(), description: "Prices" },
      { flow: dated(), name: "dated", description: "Dates" },
    ];
    expect(() => mcpServer({ name: "t", version: "1", tools })).toThrow(/Cannot serve "dated".*pass "inputSchema"/);
    const inputSchema = { type: "object", properties: { on: { type: "string" } } };
    const told = [{ flow: dated(), name: "dated", description: "Dates", inputSchema }];
    expect(() => mcpServer({ name: "t", version: "1", tools: told })).not.toThrow();
  });

  test("two tools of one name, an unknown option, authentication without a caller", () => {
    const tool = { flow: pricing(), description: "Prices" };
    const server = (options: object) => () => mcpServer({ name: "t", version: "1", tools: [tool], ...options });
    expect(server({ tools: [tool, tool] })).toThrow(/two tools named "pricing"/);
    expect(server({ tennant: 1 })).toThrow(/Unknown option "tennant"/);
    expect(server({ authenticate: () => new Response() })).toThrow(/"caller" must be a function/);
  });
});
