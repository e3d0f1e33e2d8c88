import { once } from "node:events";
import { createServer, connect, type AddressInfo, type Socket } from "node:net";
import { TaskState } from "@a2a-js/sdk";
import { type Client, ClientFactory } from "@a2a-js/sdk/client";
import { GrpcTransportFactory } from "@a2a-js/sdk/client/grpc";
import { isGrpcError } from "@a2a-js/sdk/errors/grpc";
import { credentials } from "@grpc/grpc-js";
import { A2AClientTransport } from "@penguiflow/a2a/client";
import { A2AServerAdapter, createA2AApp } from "@penguiflow/a2a/server";
import { create, FlowErrorCode, Message, payloadNode } from "penguiflow";
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { EXTENSION } from "../src/wire.ts";
import { TEST_CERTIFICATE, TEST_KEY } from "./certificate.ts";
import { serve } from "./serve.ts";
import { collect, saying, speak, taskOf, textIn } from "./speak.ts";
import { until, waiting } from "./waiting.ts";

// the SDK logs every refusal to the console
beforeEach(() => void vi.spyOn(console, "error").mockImplementation(() => {}));
afterEach(() => {
  vi.doUnmock("@grpc/grpc-js");
});

const shout = () => create(payloadNode("shout", (text: string) => text.toUpperCase()).to());

/** Returns the gRPC address of an agent. */
function addressOf({ card }: A2AServerAdapter): string {
  return card.supportedInterfaces.find(({ protocolBinding }) => protocolBinding === "GRPC")?.url ?? "";
}

/** Returns the status and reason of a refused call. */
async function refusalOf(call: Promise<unknown>): Promise<readonly [number, string]> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isGrpcError(error)) throw new Error("The call was not refused", { cause: error });
  return [error.status, error.reason];
}

/** Creates the SDK's client for another address of an agent. */
async function speakAt(adapter: A2AServerAdapter, url: string, options = {}): Promise<Client> {
  const supportedInterfaces = [{ url, protocolBinding: "GRPC", tenant: "", protocolVersion: "1.0" }];
  const factory = new ClientFactory({ transports: [new GrpcTransportFactory(options)] });
  return await factory.createFromAgentCard({ ...adapter.card, supportedInterfaces });
}

test("the card names the gRPC interface where it is, and the address that is given for it", async () => {
  const { adapter, url } = await serve(shout(), { app: { grpc: { address: "grpc.agent.example:443" } } });
  const card = (await (await fetch(`${url}/.well-known/agent-card.json`)).json()) as typeof adapter.card;
  const offered = (one: typeof adapter.card) =>
    one.supportedInterfaces.flatMap((item) =>
      item.protocolBinding === "GRPC" ? [[item.url, item.protocolVersion]] : [],
    );
  expect(offered(card)).toEqual([
    ["grpc.agent.example:443", "1.0"],
    ["grpc.agent.example:443", "0.3"],
  ]);
  adapter.url = "https://agent.example";
  expect(offered(adapter.card)).toEqual(offered(card));

  const own = await serve(shout());
  expect(addressOf(own.adapter)).toMatch(/^127\.0\.0\.1:\d+$/);
});

test("an adapter is served over gRPC beside a server of one's own", async () => {
  const flow = shout();
  flow.run();
  const card = { name: "a", description: "b", version: "1", skills: [{ id: "main", description: "c" }] };
  const adapter = new A2AServerAdapter(flow, { card });
  const server = await adapter.listenGrpc("127.0.0.1");
  expect(adapter.url).toBe("");
  adapter.url = "https://agent.example/";
  expect(adapter.card.supportedInterfaces.map(({ url }) => url)).toEqual([
    "https://agent.example/a2a/jsonrpc",
    "https://agent.example/a2a/rest",
    "https://agent.example/a2a/jsonrpc",
    "https://agent.example/a2a/rest",
    `127.0.0.1:${server.port}`,
    `127.0.0.1:${server.port}`,
  ]);
  const client = await speakAt(adapter, addressOf(adapter));
  expect(textIn((await taskOf(client.sendMessage(saying("hello")))).artifacts[0])).toBe("HELLO");
  await server.close();
  await flow.stop();
});

test("wishes to be told of a task are made, read, listed and taken back", async () => {
  const { flow, begun, goOn } = waiting();
  const { url } = await serve(flow, { pushNotifications: { allowPrivate: true } });
  const client = await speak(url, "GRPC");
  const sending = client.sendMessage(saying("x", {}, { tenant: "acme" }));
  const taskId = await begun;
  const wish = { tenant: "acme", id: "mine", taskId, url: "http://127.0.0.1:1/", token: "", authentication: undefined };
  expect(await client.createTaskPushNotificationConfig(wish)).toMatchObject({ id: "mine", url: wish.url });
  const which = { tenant: "acme", taskId, id: "mine" };
  expect(await client.getTaskPushNotificationConfig(which)).toMatchObject({ id: "mine", url: wish.url });
  const all = { tenant: "acme", taskId, pageSize: 0, pageToken: "" };
  expect((await client.listTaskPushNotificationConfig(all)).configs.map(({ id }) => id)).toEqual(["mine"]);
  expect(await refusalOf(client.getTaskPushNotificationConfig({ ...which, tenant: "bob" }))).toEqual([
    5,
    "TASK_NOT_FOUND",
  ]);
  await client.deleteTaskPushNotificationConfig(which);
  expect((await client.listTaskPushNotificationConfig(all)).configs).toEqual([]);
  goOn();
  await sending;
});

test("what is refused has its gRPC status, and the reason of the protocol", async () => {
  const { url, adapter } = await serve(shout(), {
    authenticate: ({ headers }) => {
      if (headers.authorization === "broken") throw new Error("The password of the directory is wrong");
      return headers.authorization;
    },
    mayUseTenant: (_, tenant) => tenant === "acme",
  });
  const client = await speak(url, "GRPC", "ada");
  const done = await taskOf(client.sendMessage(saying("x")));
  const id = "none";
  const tenant = "";
  const metadata = undefined;
  expect(await refusalOf(client.getTask({ tenant, id }))).toEqual([5, "TASK_NOT_FOUND"]);
  expect(await refusalOf(client.getTask({ tenant, id: "" }))).toEqual([3, "INVALID_PARAMS"]);
  expect(await refusalOf(client.cancelTask({ tenant, id: done.id, metadata }))).toEqual([9, "TASK_NOT_CANCELABLE"]);
  expect(await refusalOf(collect(client.resubscribeTask({ tenant, id: done.id })))).toEqual([
    9,
    "UNSUPPORTED_OPERATION",
  ]);
  expect(await refusalOf(client.sendMessage(saying("x", {}, { tenant: "bobs" })))).toEqual([
    9,
    "UNSUPPORTED_OPERATION",
  ]);
  expect(await refusalOf(client.sendMessage(saying("x", { metadata: { [EXTENSION]: { skill: "fly" } } })))).toEqual([
    9,
    "UNSUPPORTED_OPERATION",
  ]);
  adapter.card.capabilities = { extensions: [], ...adapter.card.capabilities, extendedAgentCard: true };
  expect(await refusalOf((await speak(url, "GRPC", "ada")).getAgentCard())).toEqual([
    9,
    "EXTENDED_AGENT_CARD_NOT_CONFIGURED",
  ]);
  expect(await refusalOf((await speak(url, "GRPC")).getTask({ tenant, id }))).toEqual([16, "INTERNAL_ERROR"]);
  const broken = (await speak(url, "GRPC", "broken")).getTask({ tenant, id });
  expect(await refusalOf(broken)).toEqual([13, "INTERNAL_ERROR"]);
  await expect(broken).rejects.toThrow(/Internal error$/);
});

test.each([true, false])("a connection that breaks takes the task along (stream: %s)", async (isStream) => {
  const { flow, begun, stopped } = waiting();
  const { adapter } = await serve(flow, { onClientGone: "cancel" });
  const sockets = new Set<Socket>();
  const between = createServer((socket) => {
    const onward = connect(Number(addressOf(adapter).split(":")[1]), "127.0.0.1");
    for (const one of [socket, onward]) sockets.add(one.on("error", () => {}));
    socket.pipe(onward).pipe(socket);
  }).listen(0, "127.0.0.1");
  onTestFinished(() => void between.close());
  await once(between, "listening");
  const client = await speakAt(adapter, `127.0.0.1:${(between.address() as AddressInfo).port}`);
  const call = isStream ? collect(client.sendMessageStream(saying("x"))) : client.sendMessage(saying("x"));
  const id = await begun;
  const refusal = refusalOf(call);
  for (const socket of sockets) socket.destroy();
  await stopped;
  expect(await refusal).toEqual([14, "INTERNAL_ERROR"]);
  const direct = await speakAt(adapter, addressOf(adapter));
  await until(async () => {
    const { status } = await direct.getTask({ tenant: "", id });
    return status?.state === TaskState.TASK_STATE_CANCELED;
  });
});

test("a reader who does not read makes the flow wait, and misses nothing", async () => {
  const piece = "x".repeat(64_000);
  let said = 0;
  const talk = payloadNode("talk", async (_: string, ctx) => {
    for (; said < 400; said += 1) await ctx.emitChunk({ text: piece });
    return "done";
  });
  const { adapter } = await serve(create(talk.to()), { textLimit: "64mb" });
  const client = await speakAt(adapter, addressOf(adapter));
  const events = client.sendMessageStream(saying("x"));
  const { value: first } = await events.next();
  expect(first?.payload?.$case).toBe("task");
  let before = -1;
  // waits until the handler stops writing
  await until(async () => {
    const isStill = said > 0 && said === before;
    before = said;
    await new Promise((resolve) => setTimeout(resolve, 100));
    return isStill;
  });
  expect(said).toBeLessThan(200);
  const rest = await collect(events);
  expect(rest.filter(({ $case }) => $case === "artifactUpdate")).toHaveLength(402);
  expect(rest.at(-1)).toMatchObject({ value: { status: { state: TaskState.TASK_STATE_COMPLETED } } });
});

test("an app that closes takes no more calls, and lets those that there are end", async () => {
  const { flow, begun, goOn } = waiting();
  const { app, adapter, url } = await serve(flow, { app: { drainMs: 10_000 } });
  const client = await speak(url, "GRPC");
  const reading = collect(client.sendMessageStream(saying("x")));
  await begun;
  const closing = app.close();
  const late = await speakAt(adapter, addressOf(adapter), { grpcCallOptions: { deadline: Date.now() + 10_000 } });
  expect(await refusalOf(late.sendMessage(saying("y")))).toEqual([14, "INTERNAL_ERROR"]);
  goOn();
  expect((await reading).at(-1)).toMatchObject({ value: { status: { state: TaskState.TASK_STATE_COMPLETED } } });
  await closing;
});

test("tasks that do not end while an app closes have failed, and their readers are told", async () => {
  const { flow, begun } = waiting();
  const { app, url } = await serve(flow);
  const client = await speak(url, "GRPC");
  const reading = collect(client.sendMessageStream(saying("x")));
  await begun;
  await app.close();
  expect((await reading).at(-1)).toMatchObject({
    value: {
      status: { state: TaskState.TASK_STATE_FAILED },
      metadata: { [EXTENSION]: { code: FlowErrorCode.FLOW_STOPPED } },
    },
  });
});

const pem = { key: TEST_KEY, cert: TEST_CERTIFICATE };

test("calls are encrypted with a certificate, and come from those who have one, if that is wanted", async () => {
  const { adapter, url } = await serve(shout(), { app: { grpc: { tls: { ...pem, clientCa: TEST_CERTIFICATE } } } });
  const [ca, key, cert] = [TEST_CERTIFICATE, TEST_KEY, TEST_CERTIFICATE].map((text) => Buffer.from(text));
  const known = await speakAt(adapter, addressOf(adapter), {
    grpcChannelCredentials: credentials.createSsl(ca, key, cert),
  });
  expect(textIn((await taskOf(known.sendMessage(saying("hello")))).artifacts[0])).toBe("HELLO");
  for (const grpcChannelCredentials of [credentials.createSsl(ca), credentials.createInsecure()]) {
    const stranger = await speakAt(adapter, addressOf(adapter), { grpcChannelCredentials });
    expect(await refusalOf(stranger.sendMessage(saying("x")))).toEqual([14, "INTERNAL_ERROR"]);
  }
  const trusting = new A2AClientTransport({ bindings: ["GRPC"], grpcTls: { ca: TEST_CERTIFICATE, ...pem } });
  expect(await answerOf(trusting, url)).toBe("HELLO");
  const { message } = await failureOf(answerOf(new A2AClientTransport({ bindings: ["GRPC"] }), url));
  expect(message).toContain("Cannot reach agent");
});

/** Returns an agent's answer to a remote node's `hello`. */
async function answerOf(transport: A2AClientTransport, agentUrl: string): Promise<unknown> {
  const message = new Message({ payload: "hello" });
  const { signal } = new AbortController();
  return (await transport.send({ message, agentUrl, skill: "main", idempotencyKey: message.traceId, signal })).result;
}

async function failureOf(work: Promise<unknown>): Promise<{ readonly code: string; readonly message: string }> {
  return await work.then(
    () => ({ code: "none", message: "" }),
    (error: unknown) => error as { readonly code: string; readonly message: string },
  );
}

/** Calls an agent whose card offers only gRPC, at an address with this scheme. */
async function callAt(scheme: string): Promise<unknown> {
  const { adapter, url } = await serve(shout());
  adapter.card.supportedInterfaces = [
    { url: `${scheme}${addressOf(adapter)}`, protocolBinding: "GRPC", tenant: "", protocolVersion: "1.0" },
  ];
  return await answerOf(new A2AClientTransport(), url);
}

test("an agent whose card offers gRPC alone is called there, encrypted if the card says so", async () => {
  expect(await callAt("")).toBe("HELLO");
  expect(await callAt("http://")).toBe("HELLO");
  // the server does not speak TLS
  expect(await failureOf(callAt("https://"))).toMatchObject({ code: "REMOTE_UNAVAILABLE" });
});

test("a caller who is not known, and an agent that is slow, are told apart", async () => {
  const closed = await serve(shout(), { authenticate: () => undefined });
  const transport = new A2AClientTransport({ bindings: ["GRPC"], timeoutMs: 100 });
  expect(await failureOf(answerOf(transport, closed.url))).toMatchObject({
    code: "REMOTE_REFUSED",
    message: `Agent "${closed.url}" refused the call: it requires authentication (UNAUTHENTICATED): set the option "headers"`,
  });
  const slow = await serve(shout(), { authenticate: async () => await new Promise<string>(() => {}) });
  expect(await failureOf(answerOf(transport, slow.url))).toMatchObject({
    code: "REMOTE_UNAVAILABLE",
    message: `Cannot reach agent "${slow.url}": no answer began within 100 ms`,
  });
});

test("where a package is missing, it is named", async () => {
  const { url } = await serve(shout());
  vi.doMock("@grpc/grpc-js", () => {
    throw new Error("Cannot find package '@grpc/grpc-js'");
  });
  const install = "npm install @grpc/grpc-js @bufbuild/protobuf";
  const card = { name: "a", description: "b", version: "1", skills: [{ id: "main", description: "c" }] };
  await using app = createA2AApp(new A2AServerAdapter(shout(), { card }), { grpc: {} });
  await expect(app.listen()).rejects.toThrow(install);
  expect(await failureOf(answerOf(new A2AClientTransport({ bindings: ["GRPC"] }), url))).toMatchObject({
    code: "REMOTE_REFUSED",
    message: expect.stringContaining(install) as string,
  });
  expect(await answerOf(new A2AClientTransport(), url)).toBe("HELLO");
});
