import { aguiHandler, type AguiOptions } from "@penguiflow/ag-ui";
import { create, payloadNode } from "penguiflow";
import { expect, test } from "vitest";
import { closed, eventsIn, post, runInput, serve } from "./serve.ts";

const caller = () => ({ tenant: "acme" });

async function serving(options: Partial<AguiOptions> = {}): Promise<string> {
  const flow = closed(create(payloadNode("echo", (text: string) => text).to()).run());
  return await serve(aguiHandler(flow, { caller, ...options }));
}

async function refused(
  response: Promise<Response>,
): Promise<{ readonly status: number; readonly code: string; readonly message: string }> {
  const { status } = await response;
  const body = (await (await response).json()) as { error: { code: string; message: string } };
  return { status, ...body.error };
}

test("a run is sent with POST as JSON, and answered as an event stream whatever the client accepts", async () => {
  const url = await serving();
  const headers = { "content-type": "application/json", accept: "*/*" };
  const response = await post(url, runInput("hi"), { headers });

  expect(response.headers.get("content-type")).toBe("text/event-stream");
  expect(eventsIn(await response.text()).at(-1)).toMatchObject({ type: "RUN_FINISHED" });
  expect(await refused(fetch(url))).toMatchObject({ status: 405, message: "Cannot GET: send a run with POST" });
  expect(await refused(post(url, {}, { headers: { "content-type": "text/plain" } }))).toMatchObject({ status: 415 });
});

test("a body that is no run is refused with the places of what is wrong", async () => {
  const url = await serving();
  const broken = { ...runInput("hi"), threadId: 7, messages: [{ id: "1", role: "penguin", content: "" }] };

  expect(await refused(post(url, broken))).toMatchObject({ status: 400, code: "INPUT_INVALID" });
  expect((await refused(post(url, broken))).message).toMatch(/threadId: .*messages\.0/);
  expect(await refused(post(url, "", { body: "{" }))).toMatchObject({ status: 400, message: "The body is no JSON" });
  expect(await refused(post(url, runInput("hi", { runId: "r".repeat(201) })))).toMatchObject({
    status: 400,
    message: "runId must have 1 to 200 characters: got 201",
  });
});

test("a body that is too long is refused, also when its length is not told", async () => {
  const url = await serving({ maxBodyBytes: 100 });
  const stream = ReadableStream.from(Array.from({ length: 20 }, () => new TextEncoder().encode(" ".repeat(10))));
  const untold = { body: stream, duplex: "half" } as RequestInit;

  expect(await refused(post(url, runInput("x".repeat(100))))).toMatchObject({ status: 413, code: "BODY_TOO_LARGE" });
  expect(await refused(post(url, {}, untold))).toMatchObject({ status: 413 });
});

test("the caller may refuse a request, and an error of its own is no answer", async () => {
  const no = await serving({ caller: () => Response.json({ error: { code: "NO", message: "no" } }, { status: 401 }) });
  const broken = await serving({
    caller: () => {
      throw new Error("secret");
    },
  });

  expect(await refused(post(no, runInput("hi")))).toMatchObject({ status: 401, code: "NO" });
  const response = await post(broken, runInput("hi"));
  expect([response.status, await response.text()]).toEqual([500, ""]);
});

test("pages of other origins are let in only where the program names them", async () => {
  const headers = { "content-type": "application/json", origin: "https://chat.example" };
  const preflight = { method: "OPTIONS", headers: { ...headers, "access-control-request-method": "POST" } };
  const closedUrl = await serving();
  const open = await serving({ origins: ["https://chat.example"] });

  for (const response of [await post(closedUrl, runInput("hi"), { headers }), await fetch(closedUrl, preflight)]) {
    expect(response.headers.get("access-control-allow-origin")).toBeNull();
    await response.text();
  }
  const allowed = await fetch(open, preflight);
  expect([allowed.status, allowed.headers.get("access-control-allow-methods")]).toEqual([204, "POST"]);
  const response = await post(open, runInput("hi"), { headers });
  expect(response.headers.get("access-control-allow-origin")).toBe("https://chat.example");
  expect(eventsIn(await response.text())).not.toHaveLength(0);
  const other = await post(open, runInput("hi"), { headers: { ...headers, origin: "https://evil.example" } });
  expect(other.headers.get("access-control-allow-origin")).toBeNull();
  await other.text();
});

/** Serves a flow that tells when it runs and waits until it is let on. */
async function waiting(options: Partial<AguiOptions>) {
  const begun = Promise.withResolvers<AbortSignal>();
  const letOn = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<string>();
  const wait = payloadNode("wait", async (_: string, ctx) => {
    await ctx.emitChunk({ text: "begun" });
    ctx.signal.addEventListener("abort", () => ended.resolve("aborted"), { once: true });
    begun.resolve(ctx.signal);
    await letOn.promise;
    ended.resolve("went on");
    return "over";
  });
  const flow = closed(create(wait.to()).run());
  const url = await serve(aguiHandler(flow, { caller, ...options }));
  return { url, begun: begun.promise, letOn: letOn.resolve, ended: ended.promise, flow };
}

test.for([
  ["cancel", "aborted"],
  ["continue", "went on"],
] as const)("with onDisconnect %s, a run whose client leaves %s", async ([onDisconnect, end]) => {
  const { url, begun, letOn, ended, flow } = await waiting({ onDisconnect });
  const client = new AbortController();
  const response = await post(url, runInput("hi"), { signal: client.signal });
  const reading = response.text().catch(() => "left");
  const signal = await begun;

  client.abort();

  expect(await reading).toBe("left");
  // a run that is cancelled ends before its handler is let on
  if (end === "aborted") await ended;
  letOn();
  expect(await ended).toBe(end);
  await flow.flush();
  expect(signal.aborted).toBe(end === "aborted");
});

test("a silent run sends comments, which are no events", async () => {
  const { url, begun, letOn } = await waiting({ keepAliveMs: 1 });
  const response = await post(url, runInput("hi"));
  await begun;
  const reader = (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes(": keep-alive\n\n")) text += (await reader.read()).value ?? "";
  letOn();
  for (let read = await reader.read(); !read.done; read = await reader.read()) text += read.value;

  expect(eventsIn(text).at(-1)).toMatchObject({ type: "RUN_FINISHED" });
});

test("wrong options are refused with what was wanted", () => {
  const flow = create(payloadNode("echo", (text: string) => text).to());
  const make =
    (options: object, served: unknown = flow) =>
    () =>
      aguiHandler(served as typeof flow, options as never);

  expect(make({})).toThrow('Option "caller" must be a function: got undefined');
  expect(make({ caller, cors: true })).toThrow('Unknown option "cors" of aguiHandler');
  expect(make({ caller, onDisconnect: "stop" })).toThrow('must be one of "cancel", "continue": got "stop"');
  expect(make({ caller, maxBodyBytes: 0 })).toThrow('Option "maxBodyBytes" must be a whole number of 1 or more: got 0');
  expect(make({ caller }, {})).toThrow("aguiHandler serves a flow or a planner: got an object");
});
