import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import type { AgentCard } from "@a2a-js/sdk";
import { A2AClientTransport } from "@penguiflow/a2a/client";
import {
  create,
  FlowError,
  type FlowEvent,
  Message,
  node,
  payloadNode,
  remoteNode,
  type RemoteCallRequest,
  shape,
  WM,
} from "penguiflow";
import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { z } from "zod";
import { serve } from "./serve.ts";
import { BINDINGS } from "./speak.ts";
import { until, waiting } from "./waiting.ts";

// the SDK logs every refusal to the console
beforeEach(() => void vi.spyOn(console, "error").mockImplementation(() => {}));

function request(agentUrl: string, more: Partial<RemoteCallRequest> = {}): RemoteCallRequest {
  const message = new Message({ payload: "x", headers: { tenant: "acme" } });
  const { signal } = new AbortController();
  return { message, agentUrl, skill: "main", idempotencyKey: message.traceId, signal, ...more };
}

async function failureOf(work: Promise<unknown>): Promise<Pick<FlowError, "code" | "message">> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof FlowError) return { code: error.code, message: error.message };
  throw new Error("There was no FlowError", { cause: error });
}

/** Starts a server that is no agent. */
async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise((resolve) => void server.once("listening", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const shout = () => create(payloadNode("shout", (text: string) => text.toUpperCase()).to());

describe("a remote node over A2A", () => {
  test.each(BINDINGS)("tells what is called, with the bytes that went over the network (%s)", async (binding) => {
    const { url } = await serve(shout());
    const events: FlowEvent[] = [];
    const ask = remoteNode("shout", {
      transport: new A2AClientTransport({ bindings: [binding] }),
      agentUrl: url,
      skill: "main",
      input: shape<string>(),
      output: z.string(),
    });
    await using flow = create(ask.to(), { middlewares: [(event) => void events.push(event)] });
    flow.run();
    expect(await flow.call("hello", { tenant: "acme" })).toBe("HELLO");
    await flow.flush();
    const success = events.find(({ type }) => type === "remote_call_success");
    expect(success).toMatchObject({ skill: "main", agentUrl: url, taskId: expect.any(String) as string });
    const { bytesSent = 0, bytesReceived = 0 } = success as { bytesSent?: number; bytesReceived?: number };
    expect(bytesSent).toBeGreaterThan(100);
    expect(bytesReceived).toBeGreaterThan(bytesSent);
  });

  test.each([true, false])(
    "cancels the agent's task when its trace is cancelled (streaming: %s)",
    async (streaming) => {
      const { flow: agent, begun, stopped } = waiting();
      const { url, adapter } = await serve(agent);
      const transport = new A2AClientTransport();
      const ask = remoteNode("ask", { transport, agentUrl: url, skill: "main", streaming });
      await using flow = create(ask.to());
      flow.run();
      const outcome = flow.outcome("x", { tenant: "acme", traceId: "t" });
      await begun;
      const startedAt = performance.now();
      await flow.cancel("t", { tenant: "acme" });
      await stopped;
      expect(performance.now() - startedAt).toBeLessThan(1_000);
      expect((await outcome).status).toBe("cancelled");
      await until(async () => agent.stats().outcomes.cancelled === 1);
      await until(async () => adapter.isQuiet);
    },
  );

  test("has a question answered by a node that goes on with the task", async () => {
    const agent = create(
      payloadNode(
        "book",
        async (flight: string, ctx) => `${flight}: ${await ctx.pause<string>({ reason: "Seat?" })}`,
      ).to(),
    );
    const { url } = await serve(agent);
    const transport = new A2AClientTransport();
    const first = await transport.send(request(url));
    expect(first).toMatchObject({ state: "input-required", result: { reason: "Seat?" } });
    const { taskId, contextId } = first;
    const message = new Message({ payload: "window", headers: { tenant: "acme" } });
    const second = await transport.send(request(url, { message, continues: { taskId, contextId } }));
    expect(second).toMatchObject({ state: "completed", result: "x: window", taskId });
  });
});

describe("what is wrong is said", () => {
  test("nobody is there", async () => {
    const { app, url } = await serve(shout());
    await app.close();
    const { code, message } = await failureOf(new A2AClientTransport().send(request(url)));
    expect(code).toBe("REMOTE_UNAVAILABLE");
    expect(message).toMatch(/^Cannot reach agent "http:.*": connect ECONNREFUSED/);
  });

  test("no answer has begun in time", async () => {
    const url = await listen(() => {});
    const transport = new A2AClientTransport({ timeoutMs: 50 });
    expect(await failureOf(transport.send(request(url)))).toEqual({
      code: "REMOTE_UNAVAILABLE",
      message: `Cannot reach agent "${url}": no answer began within 50 ms`,
    });
  });

  test("there is no agent at that address", async () => {
    const url = await listen((_, response) => response.writeHead(404).end());
    const { code, message } = await failureOf(new A2AClientTransport().send(request(url)));
    expect(code).toBe("REMOTE_REFUSED");
    expect(message).toContain("there is nothing at that address (404)");
  });

  test("there is no such skill, on either side", async () => {
    const { url, adapter } = await serve(shout());
    const transport = new A2AClientTransport();
    expect(await failureOf(transport.send(request(url, { skill: "fly" })))).toEqual({
      code: "REMOTE_REFUSED",
      message: `Agent "${url}" has no skill "fly": it has "main"`,
    });
    // the card advertises a skill that does not exist
    adapter.card.skills = [...adapter.card.skills, { ...adapter.card.skills[0], id: "fly" } as AgentCard["skills"][0]];
    const { code, message } = await failureOf(new A2AClientTransport().send(request(url, { skill: "fly" })));
    expect([code, message]).toEqual([
      "REMOTE_REFUSED",
      expect.stringContaining('Cannot call skill "fly": the agent has no such skill'),
    ]);
  });

  test("it speaks another version or binding", async () => {
    const { url, adapter } = await serve(shout());
    adapter.card.supportedInterfaces = [{ url, protocolBinding: "GRPC", tenant: "", protocolVersion: "2.0" }];
    expect(await failureOf(new A2AClientTransport().send(request(url)))).toEqual({
      code: "REMOTE_REFUSED",
      message: `Agent "${url}" speaks GRPC 2.0: wanted is JSONRPC or HTTP+JSON 1.0 or 0.3, or GRPC 1.0`,
    });
  });

  test("it does not take the media type", async () => {
    const { url, adapter } = await serve(shout());
    adapter.card.defaultInputModes = ["image/png"];
    const { code, message } = await failureOf(new A2AClientTransport().send(request(url)));
    expect(code).toBe("REMOTE_REFUSED");
    expect(message).toContain("Media type 'text/plain' is not supported");
  });

  test("it requires authentication, and gets the headers of the hook", async () => {
    const seen: string[] = [];
    const flow = create(payloadNode("who", (_: string, ctx) => (seen.push(ctx.tenant), "done")).to());
    const { url } = await serve(flow, {
      authenticate: ({ headers }) => (headers.authorization === "Bearer acme" ? "service" : undefined),
    });
    const { code, message } = await failureOf(new A2AClientTransport().send(request(url)));
    expect(code).toBe("REMOTE_REFUSED");
    expect(message).toContain("it requires authentication (401)");
    const headers = ({ tenant }: { tenant: string }) => ({ authorization: `Bearer ${tenant}` });
    expect(await new A2AClientTransport({ headers }).send(request(url))).toMatchObject({ result: "done" });
    const tenant = () => undefined;
    await new A2AClientTransport({ headers, tenant }).send(request(url));
    expect(seen).toEqual(["acme", "service"]);
  });
});

test("a card is asked for once, and again when it is old or could not be had", async () => {
  const { url } = await serve(shout());
  let cards = 0;
  let isAway = true;
  const fetch: typeof globalThis.fetch = async (input, init) => {
    if (input instanceof URL && input.pathname.endsWith("agent-card.json")) cards += 1;
    if (isAway) throw new TypeError("fetch failed");
    return await globalThis.fetch(input, init);
  };
  const transport = new A2AClientTransport({ fetch, cardMaxAgeMs: 60_000 });
  await failureOf(transport.send(request(url)));
  isAway = false;
  for (let times = 0; times < 3; times += 1) await transport.send(request(url));
  expect(cards).toBe(2);
  const forgetful = new A2AClientTransport({ fetch, cardMaxAgeMs: 0 });
  for (let times = 0; times < 3; times += 1) await forgetful.send(request(url));
  expect(cards).toBe(5);
});

test("options that are not there, or unusable, are refused", () => {
  expect(() => new A2AClientTransport({ header: {} } as never)).toThrow('Unknown option "header"');
  expect(() => new A2AClientTransport({ timeoutMs: -1 })).toThrow('Option "timeoutMs" must be a number of 0 or more');
});

test("working memory arrives as such, with what its caller has left of its budgets", async () => {
  const seen: number[] = [];
  const loop = node({ name: "loop", allowCycle: true }, async ({ payload }: Message<WM>): Promise<WM> => {
    seen.push(payload.hops);
    return payload.with({ facts: [...payload.facts, payload.query] });
  });
  const { url } = await serve(create(loop.to(loop), { allowCycles: true }));
  const memory = new WM({ query: "penguins", hops: 6, budgetHops: 8 });
  const message = new Message({ payload: memory, headers: { tenant: "acme" } });
  const answer = await new A2AClientTransport().send(request(url, { message, budget: { hops: 2, tokens: null } }));
  expect(answer.result).toEqual({ text: "Hop budget exhausted", citations: [] });
  expect(seen).toEqual([0, 1]);
});

test.each(BINDINGS)("the agent's trace begins with what is left of its caller's budget (%s)", async (binding) => {
  const look = payloadNode("look", (_: string, { budget }) => budget.left);
  const { url } = await serve(create(look.to()));
  const transport = new A2AClientTransport({ bindings: [binding] });
  const ask = remoteNode("ask", { transport, agentUrl: url, skill: "main" });
  const before = payloadNode("before", (text: string, { budget }) => {
    budget.spend({ toolCalls: 2 });
    return text;
  });
  await using flow = create(before.to(ask)).run();
  expect(await flow.call("x", { budget: { toolCalls: 5, costUsd: 0.5 } })).toEqual({ toolCalls: 3, costUsd: 0.5 });
  expect(await flow.call("x")).toEqual({});
});

test.each(BINDINGS)(
  "what the agent spends of its caller's budget is charged to it, and no other amount is told (%s)",
  async (binding) => {
    const work = payloadNode("work", async (text: string, ctx) => {
      ctx.budget.spend({ toolCalls: 2, secretCost: 1 });
      await ctx.emitChunk({ text });
      return text;
    });
    const { url } = await serve(create(work.to()));
    const transport = new A2AClientTransport({ bindings: [binding] });
    for (const streaming of [false, true]) {
      const ask = remoteNode("ask", { transport, agentUrl: url, skill: "main", streaming });
      await using flow = create(ask.to()).run();
      const outcome = await flow.outcome("x", { budget: { toolCalls: 5 } });
      expect([outcome.status, outcome.spent]).toEqual(["completed", { toolCalls: 2 }]);
      expect((await flow.outcome("x")).spent).toEqual({});
    }
  },
);
