import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { A2AService } from "@a2a-js/sdk/server/grpc";
import { A2AClientTransport } from "@penguiflow/a2a/client";
import { create, Message, type RemoteCallRequest, type RemoteStreamEvent, remoteNode } from "penguiflow";
import { describe, expect, onTestFinished, test } from "vitest";

/** Answers one request to an agent. `body` is the request's JSON, `n` counts its method's requests from 1. */
type Answer = (
  call: { readonly method: string; readonly id: unknown; readonly n: number },
  response: ServerResponse,
) => void;

interface Speaks {
  readonly protocolBinding: "JSONRPC" | "HTTP+JSON" | "GRPC";
  readonly protocolVersion: "1.0" | "0.3";
}

const JSON_RPC: Speaks = { protocolBinding: "JSONRPC", protocolVersion: "1.0" };

/** Serves an agent without our code: its answers are literals. */
async function agent(answer: Answer, speaks: Speaks = JSON_RPC, streaming = false, at?: string) {
  const methods: string[] = [];
  const server = createServer((request, response) => void respond(request, response)).listen(0, "127.0.0.1");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise((resolve) => void server.once("listening", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = "";
    for await (const part of request as AsyncIterable<Buffer>) text += part.toString();
    if (request.url?.includes("agent-card") === true) {
      response.setHeader("content-type", "application/json").end(JSON.stringify(cardOf(url)));
      return;
    }
    const { method = request.url ?? "", id } = (text === "" ? {} : JSON.parse(text)) as {
      method?: string;
      id?: unknown;
    };
    methods.push(method);
    answer({ method, id, n: methods.filter((one) => one === method).length }, response);
  }
  const cardOf = (base: string) => ({
    name: "scripted",
    description: "Answers as it is told",
    version: "1",
    supportedInterfaces: [{ url: at ?? `${base}/rpc`, tenant: "", ...speaks }],
    capabilities: { streaming },
    defaultInputModes: [],
    defaultOutputModes: [],
    skills: [{ id: "main", name: "main", description: "", tags: [] }],
  });
  return { url, methods };
}

function requestOf(agentUrl: string): RemoteCallRequest {
  const message = new Message({ payload: "x", headers: { tenant: "acme" } });
  return { message, agentUrl, skill: "main", idempotencyKey: message.traceId, signal: new AbortController().signal };
}

async function collect(events: AsyncIterable<RemoteStreamEvent>): Promise<RemoteStreamEvent[]> {
  const all: RemoteStreamEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

const transport = () => new A2AClientTransport({ pollMs: 5, timeoutMs: 2_000 });
const send = (agentUrl: string) => transport().send(requestOf(agentUrl));
const stream = (agentUrl: string) => collect(transport().stream(requestOf(agentUrl)));
const json = (response: ServerResponse, body: unknown, status = 200): void =>
  void response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
const sse = (response: ServerResponse, ...events: readonly unknown[]): void => {
  response.writeHead(200, { "content-type": "text/event-stream" });
  for (const event of events) response.write(`data: ${JSON.stringify(event)}\n\n`);
  response.end();
};
const rpcError = (id: unknown, code: number) => ({ jsonrpc: "2.0", id, error: { code, message: "out of penguins" } });
const task = (state: string) => ({ id: "t1", contextId: "c1", status: { state } });

describe("an error that the agent answered is no agent that cannot be reached", () => {
  test.each([
    [-32000, false],
    [-32050, false],
    [-32603, true],
  ])("over JSON-RPC 1.0, code %i is told with its code, and worth a retry: %s", async (code, retryable) => {
    const { url } = await agent(({ id }, response) => json(response, rpcError(id, code)));
    await expect(send(url)).rejects.toMatchObject({
      code: "REMOTE_FAILED",
      message: `Agent "${url}" answered with an error: out of penguins (${code})`,
      retryable,
      details: { rpcCode: code },
    });
  });

  test("inside of an event stream it is the same", async () => {
    const { url } = await agent(({ id }, response) => sse(response, rpcError(id, -32000)), JSON_RPC, true);
    await expect(stream(url)).rejects.toMatchObject({ code: "REMOTE_FAILED", retryable: false });
  });

  test("with a status that is no success it is the same", async () => {
    const { url } = await agent(({ id }, response) => json(response, rpcError(id, -32000), 500));
    await expect(send(url)).rejects.toMatchObject({ code: "REMOTE_FAILED", retryable: false });
  });

  test("over JSON-RPC 0.3 it is the same", async () => {
    const speaks: Speaks = { protocolBinding: "JSONRPC", protocolVersion: "0.3" };
    const { url } = await agent(({ id }, response) => json(response, rpcError(id, -32000)), speaks);
    await expect(send(url)).rejects.toMatchObject({ code: "REMOTE_FAILED", retryable: false });
  });

  test.each([
    [400, false],
    [500, true],
  ])("over HTTP+JSON 1.0, status %i is told, and worth a retry: %s", async (status, retryable) => {
    const body = { error: { code: status, status: "UNKNOWN", message: "out of penguins" } };
    const speaks: Speaks = { protocolBinding: "HTTP+JSON", protocolVersion: "1.0" };
    const { url } = await agent((_, response) => json(response, body, status), speaks);
    await expect(send(url)).rejects.toMatchObject({
      code: "REMOTE_FAILED",
      message: `Agent "${url}" answered with an error: out of penguins (${status})`,
      retryable,
      details: { status },
    });
  });

  test("over HTTP+JSON 0.3 the code is read from the body", async () => {
    const speaks: Speaks = { protocolBinding: "HTTP+JSON", protocolVersion: "0.3" };
    const { url } = await agent((_, response) => json(response, { code: -32000, message: "no" }, 500), speaks);
    await expect(send(url)).rejects.toMatchObject({
      code: "REMOTE_FAILED",
      retryable: false,
      details: { rpcCode: -32000 },
    });
  });

  test.each([
    [9, "REMOTE_FAILED", false],
    [13, "REMOTE_FAILED", true],
    [14, "REMOTE_UNAVAILABLE", true],
  ])("over gRPC, status %i is %s, and worth a retry: %s", async (code, expected, retryable) => {
    const server = new Server();
    const { sendMessage } = A2AService;
    server.addService(
      { sendMessage },
      { sendMessage: (_: unknown, answer: (error: object) => void) => answer({ code }) },
    );
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      ),
    );
    onTestFinished(() => server.forceShutdown());
    const speaks: Speaks = { protocolBinding: "GRPC", protocolVersion: "1.0" };
    const { url } = await agent(() => {}, speaks, false, `127.0.0.1:${port}`);
    await expect(send(url)).rejects.toMatchObject({ code: expected, retryable });
  });

  test("nor is an answer that is not A2A at all", async () => {
    const { url } = await agent((_, response) => void response.end("<html>Welcome</html>"));
    await expect(send(url)).rejects.toMatchObject({ code: "REMOTE_FAILED" });
    await expect(send(url)).rejects.toThrow(`Agent "${url}" answered with an error`);
  });

  test.each([408, 429, 502, 503, 504])("but status %i says that the agent had no part in it", async (status) => {
    const { url } = await agent((_, response) => void response.writeHead(status).end());
    await expect(send(url)).rejects.toMatchObject({
      code: "REMOTE_UNAVAILABLE",
      message: `Cannot reach agent "${url}": got status ${status}`,
      retryable: true,
    });
  });

  test("but an answer whose connection breaks has not arrived", async () => {
    const { url } = await agent((_, response) => {
      response.writeHead(200, { "content-type": "application/json", "content-length": 1_000 });
      response.write('{"jsonrpc":');
      setImmediate(() => response.destroy());
    });
    await expect(send(url)).rejects.toMatchObject({ code: "REMOTE_UNAVAILABLE", retryable: true });
  });

  test("and a node does not try it again", async () => {
    const { url, methods } = await agent(({ id }, response) => json(response, rpcError(id, -32000)));
    const ask = remoteNode("ask", {
      transport: transport(),
      agentUrl: url,
      skill: "main",
      policy: { maxRetries: 2, backoffBaseMs: 1 },
    });
    await using flow = create(ask.to());
    expect(await flow.run().outcome("x")).toMatchObject({
      status: "failed",
      error: { code: "REMOTE_FAILED", retryable: false },
    });
    expect(methods).toHaveLength(1);
  });

  test("of a task that is known it says nothing: the answer is taken up again", async () => {
    const { url, methods } = await agent(({ method, id, n }, response) => {
      if (method === "SendMessage")
        json(response, { jsonrpc: "2.0", id, result: { task: task("TASK_STATE_WORKING") } });
      else if (n === 1) json(response, rpcError(id, -32603));
      else json(response, { jsonrpc: "2.0", id, result: task("TASK_STATE_COMPLETED") });
    });
    await expect(send(url)).rejects.toMatchObject({ code: "REMOTE_CUT", retryable: true });
    const ask = remoteNode("ask", { transport: transport(), agentUrl: url, skill: "main" });
    await using flow = create(ask.to());
    expect(await flow.run().outcome("x")).toMatchObject({ status: "empty" });
    expect(methods).not.toContain("CancelTask");
  });
});

describe("a node without streaming", () => {
  test("uses no streaming method, though the agent has them", async () => {
    const { url, methods } = await agent(
      ({ method, id, n }, response) => {
        const state = n < 3 ? "TASK_STATE_WORKING" : "TASK_STATE_COMPLETED";
        if (method === "SendMessage")
          json(response, { jsonrpc: "2.0", id, result: { task: task("TASK_STATE_SUBMITTED") } });
        else json(response, { jsonrpc: "2.0", id, result: task(state) });
      },
      JSON_RPC,
      true,
    );
    expect(await send(url)).toMatchObject({ state: "completed", taskId: "t1" });
    expect(methods).toEqual(["SendMessage", "GetTask", "GetTask", "GetTask"]);
  });
});

describe("a resubscribe", () => {
  const known = (agentUrl: string) => ({ tenant: "acme", agentUrl, taskId: "t1" });
  const { signal } = new AbortController();

  test("that finds nothing ends with the task's last event, when that is over", async () => {
    const { url } = await agent(
      ({ method, id }, response) => {
        if (method === "SubscribeToTask") sse(response);
        else json(response, { jsonrpc: "2.0", id, result: task("TASK_STATE_COMPLETED") });
      },
      JSON_RPC,
      true,
    );
    const events = await collect(transport().resubscribe(known(url), { signal }));
    expect(events).toMatchObject([{ done: true, state: "completed", taskId: "t1" }]);
  });

  test("that finds nothing of a task at work ends with an error", async () => {
    const { url } = await agent(
      ({ method, id }, response) => {
        if (method === "SubscribeToTask") sse(response);
        else json(response, { jsonrpc: "2.0", id, result: task("TASK_STATE_WORKING") });
      },
      JSON_RPC,
      true,
    );
    await expect(collect(transport().resubscribe(known(url), { signal }))).rejects.toMatchObject({
      code: "REMOTE_CUT",
      message: `Cannot read the answer of agent "${url}": it ended before its last event`,
    });
  });

  test("as any answer that ends without a last event", async () => {
    const { url } = await agent((_, response) => sse(response), JSON_RPC, true);
    await expect(stream(url)).rejects.toMatchObject({ code: "REMOTE_CUT", retryable: true });
  });
});
