import { context, propagation, ROOT_CONTEXT, trace, TraceFlags } from "@opentelemetry/api";
import { type Sampler, SamplingDecision } from "@opentelemetry/sdk-trace";
import { openTelemetry } from "@penguiflow/otel";
import {
  create,
  joinK,
  LoopbackTransport,
  MemoryCheckpointStore,
  Message,
  node,
  payloadNode,
  remoteNode,
  shape,
  WM,
} from "penguiflow";
import { durable } from "penguiflow/durable";
import { TestClock } from "penguiflow/testing";
import { describe, expect, test } from "vitest";
import { type ReceivedSpan, receiver, within } from "./otlp-receiver.ts";

declare module "penguiflow" {
  interface AppEvents {
    "app.started": undefined;
    "app.used": { readonly tokens: number; readonly text: string };
  }
}

const CLIENT = 3;
const CONSUMER = 5;
const INTERNAL = 1;
const ERROR = 2;

/** Finds the only span of that name. */
function named(spans: readonly ReceivedSpan[], name: string): ReceivedSpan {
  const found = spans.filter((span) => span.name === name);
  expect(found, `spans named ${name} among ${spans.map((span) => span.name).join(", ")}`).toHaveLength(1);
  return found[0] as ReceivedSpan;
}

const outcomes = (spans: readonly ReceivedSpan[], name: string) =>
  spans.filter((span) => span.name === name).map((span) => span.attributes["penguiflow.outcome"]);

const double = payloadNode("double", (count: number) => count * 2);
const show = node("show", async (message: Message<number>) => `<${message.payload}>`);

describe("a trace", () => {
  test("is a span, with one span below it for each attempt, each linked to the attempt that sent its message", async () => {
    await using otlp = await receiver();
    await using flow = create(double.to(show), { name: "shop", instrument: openTelemetry(otlp.providers) });
    flow.run();
    expect(await flow.call(21, { tenant: "acme", topic: "sums", traceId: "t1" })).toBe("<42>");
    const spans = await otlp.spans();
    expect(spans).toHaveLength(3);
    const root = named(spans, "invoke_workflow shop");
    const first = named(spans, "process shop/double");
    const second = named(spans, "process shop/show");
    expect([root.kind, first.kind, second.kind]).toEqual([INTERNAL, CONSUMER, CONSUMER]);
    expect([root.parentSpanId, first.parentSpanId, second.parentSpanId]).toEqual([undefined, root.spanId, root.spanId]);
    expect([root.links, first.links, second.links]).toEqual([[], [], [first.spanId]]);
    expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(1);
    expect(root.schemaUrl).toMatch(/^https:\/\/opentelemetry\.io\/schemas\/1\./);
    expect(root.attributes).toEqual({
      "gen_ai.operation.name": "invoke_workflow",
      "gen_ai.agent.name": "shop",
      "penguiflow.flow": "shop",
      "penguiflow.trace.id": "t1",
      "penguiflow.tenant": "acme",
      "penguiflow.topic": "sums",
      "penguiflow.outcome": "completed",
      "penguiflow.results": 1,
    });
    expect(second.attributes).toEqual({
      "messaging.system.name": "penguiflow",
      "messaging.operation.name": "process",
      "messaging.operation.type": "process",
      "messaging.destination.name": "shop/show",
      "messaging.message.id": expect.stringMatching(/.+-.+-.+/) as unknown,
      "messaging.message.conversation_id": "t1",
      "penguiflow.flow": "shop",
      "penguiflow.node": "show",
      "penguiflow.tenant": "acme",
      "penguiflow.attempt": 1,
      "penguiflow.outcome": "success",
      "penguiflow.queue_ms": expect.any(Number) as unknown,
      "penguiflow.run_ms": expect.any(Number) as unknown,
      "penguiflow.emit_ms": expect.any(Number) as unknown,
    });
  });

  test("is a child of the span that is active where it is begun, by every way to begin one", async () => {
    await using otlp = await receiver();
    await using flow = create(double.to(show), { instrument: openTelemetry(otlp.providers) });
    flow.run();
    const tracer = otlp.tracerProvider.getTracer("caller");
    const begin: Record<string, () => Promise<unknown>> = {
      call: () => flow.call(1),
      outcome: () => flow.outcome(1),
      stream: async () => {
        for await (const item of flow.stream(1)) expect(item).toBeDefined();
      },
      emit: async () => flow.fetch({ traceId: await flow.emit(1) }),
      emitNowait: () => flow.fetch({ traceId: flow.emitNowait(1) }),
    };
    for (const [way, act] of Object.entries(begin)) {
      const request = tracer.startSpan(way);
      await within(trace.setSpan(ROOT_CONTEXT, request), act);
      request.end();
    }
    const spans = await otlp.spans();
    for (const way of Object.keys(begin)) {
      const request = named(spans, way);
      const root = spans.filter(({ parentSpanId }) => parentSpanId === request.spanId);
      expect(
        root.map(({ name }) => name),
        way,
      ).toEqual(["invoke_workflow flow"]);
      expect(root[0]?.traceId).toBe(request.traceId);
      expect(root[0]?.links).toEqual([]);
    }
  });

  test("is a child of what its message carries when no span is active, and linked to it otherwise", async () => {
    await using otlp = await receiver();
    await using flow = create(double.to(show), { instrument: openTelemetry(otlp.providers) });
    flow.run();
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const meta = { traceparent, tracestate: "vendor=1", order: 7 };
    const outcome = await flow.outcome(new Message({ payload: 1, meta, traceId: "bare" }));
    const request = otlp.tracerProvider.getTracer("caller").startSpan("request");
    await within(trace.setSpan(ROOT_CONTEXT, request), () => flow.call(1, { meta, traceId: "both" }));
    request.end();
    const spans = await otlp.spans();
    const root = (id: string) => spans.find(({ attributes }) => attributes["penguiflow.trace.id"] === id);
    expect(root("bare")).toMatchObject({
      traceId: "0af7651916cd43dd8448eb211c80319c",
      parentSpanId: "b7ad6b7169203331",
      links: [],
    });
    expect(root("both")).toMatchObject({
      parentSpanId: request.spanContext().spanId,
      links: ["b7ad6b7169203331"],
    });
    const last = spans.find((span) => span.name === "process flow/show" && span.traceId === root("bare")?.traceId);
    // and the context continues in the result, with the rest of the message's meta
    expect(outcome.messages[0]?.meta).toEqual({
      order: 7,
      traceparent: `00-0af7651916cd43dd8448eb211c80319c-${last?.spanId}-01`,
      tracestate: "vendor=1",
    });
  });

  test.for([
    "",
    "garbage",
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
    "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "00-00000000000000000000000000000000-b7ad6b7169203331-01",
    "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
    7,
    null,
  ])("ignores a traceparent that is none: %j", async (traceparent) => {
    await using otlp = await receiver();
    await using flow = create(double.to(), { instrument: openTelemetry(otlp.providers) });
    flow.run();
    expect(await flow.call(1, { meta: { traceparent } })).toBe(2);
    expect(named(await otlp.spans(), "invoke_workflow flow")).toMatchObject({ parentSpanId: undefined, links: [] });
  });

  test("takes a traceparent of a later version as far as it is known", async () => {
    await using otlp = await receiver();
    await using flow = create(double.to(), { instrument: openTelemetry(otlp.providers) });
    flow.run();
    await flow.call(1, { meta: { traceparent: "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what" } });
    expect(named(await otlp.spans(), "invoke_workflow flow").parentSpanId).toBe("b7ad6b7169203331");
  });

  test("links to everyone who sends a further message into it", async () => {
    await using otlp = await receiver();
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => (release = resolve));
    const wait = payloadNode("wait", async (count: number) => {
      await gate;
      return count;
    });
    await using flow = create(wait.to(), { instrument: openTelemetry(otlp.providers) });
    flow.run();
    await flow.emit(1, { traceId: "t" });
    const request = otlp.tracerProvider.getTracer("caller").startSpan("request");
    await within(trace.setSpan(ROOT_CONTEXT, request), () => flow.emit(2, { traceId: "t" }));
    request.end();
    release();
    await flow.fetch({ traceId: "t" });
    await flow.fetch({ traceId: "t" });
    await flow.stop();
    expect(named(await otlp.spans(), "invoke_workflow flow").links).toEqual([request.spanContext().spanId]);
  });

  test("of a playbook is a child of the attempt that calls it", async () => {
    await using otlp = await receiver();
    const inner = create(double.to(), { name: "inner" });
    const outer = node("outer", async (message: Message<number>, ctx) => ctx.callPlaybook(inner, message));
    await using flow = create(outer.to(), { name: "all", instrument: openTelemetry(otlp.providers) });
    flow.run();
    expect(await flow.call(2)).toBe(4);
    const spans = await otlp.spans();
    const attempt = named(spans, "process all/outer");
    const root = named(spans, "invoke_workflow all/inner");
    expect(root).toMatchObject({ parentSpanId: attempt.spanId, links: [] });
    expect(named(spans, "process all/inner/double").parentSpanId).toBe(root.spanId);
  });

  test("that leaves memory ends its span, and its later attempts are below that one", async () => {
    await using otlp = await receiver();
    const ask = payloadNode("ask", async (n: number, ctx) => n + (await ctx.pause<number>({ reason: "?" })));
    const clock = new TestClock();
    await using flow = create(ask.to(), {
      name: "shop",
      clock,
      instrument: openTelemetry(otlp.providers),
      durability: durable({ checkpoints: new MemoryCheckpointStore({ clock }), unloadAfterMs: 1_000 }),
    });
    flow.run();
    const outcome = await flow.outcome(1);
    if (outcome.status !== "paused") throw new Error(outcome.status);
    await clock.advance(1_000);
    await flow.pauses.resume(outcome.pauses[0]!.token, 2);
    const spans = await otlp.spans();
    const root = named(spans, "invoke_workflow shop");
    expect(root.attributes["penguiflow.outcome"]).toBe("unloaded");
    expect(spans.filter(({ name }) => name === "process shop/ask").map(({ parentSpanId }) => parentSpanId)).toEqual([
      root.spanId,
      root.spanId,
    ]);
  });

  test("that is not sampled writes nothing, and says so to what its handlers call and to those behind", async () => {
    const asked: string[] = [];
    const sampler: Sampler = {
      shouldSample: (_, __, name) => {
        asked.push(name);
        return { decision: SamplingDecision.NOT_RECORD };
      },
      toString: () => "never",
    };
    await using otlp = await receiver({ sampler });
    const active: unknown[] = [];
    const look = payloadNode("look", async (count: number) => {
      await Promise.resolve();
      active.push(trace.getSpanContext(context.active())?.traceFlags);
      return count;
    });
    await using flow = create(double.to(look), { instrument: openTelemetry(otlp.providers) });
    flow.run();
    const { messages } = await flow.outcome(1);
    expect(messages[0]?.meta).toEqual({
      traceparent: expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/) as unknown,
    });
    expect(active).toEqual([TraceFlags.NONE]);
    expect(asked).toEqual(["invoke_workflow flow"]);
    expect(await otlp.spans()).toEqual([]);
  });
});

describe("a handler", () => {
  test("runs with its attempt's span active, and with the caller's baggage", async () => {
    await using otlp = await receiver();
    const tracer = otlp.tracerProvider.getTracer("model client");
    const ask = payloadNode("ask", async (question: string) => {
      await Promise.resolve();
      tracer.startSpan("chat").end();
      return `${question} ${propagation.getBaggage(context.active())?.getEntry("user")?.value}`;
    });
    await using flow = create(ask.to(payloadNode("shout", (text: string) => text.toUpperCase())), {
      instrument: openTelemetry(otlp.providers),
    });
    flow.run();
    const baggage = propagation.createBaggage({ user: { value: "ada" } });
    expect(await within(propagation.setBaggage(ROOT_CONTEXT, baggage), () => flow.call("who?"))).toBe("WHO? ADA");
    const spans = await otlp.spans();
    expect(named(spans, "chat").parentSpanId).toBe(named(spans, "process flow/ask").spanId);
  });

  test("has its own context in its message, to pass on to other processes", async () => {
    await using otlp = await receiver();
    const seen: unknown[] = [];
    const look = node("look", (message: Message<number>, ctx) => {
      seen.push(message.meta["traceparent"], ctx.message.meta["traceparent"]);
      return message;
    });
    await using flow = create(look.to(), { instrument: openTelemetry(otlp.providers) });
    flow.run();
    await flow.call(1);
    const { traceId, spanId } = named(await otlp.spans(), "process flow/look");
    expect(seen).toEqual([`00-${traceId}-${spanId}-01`, `00-${traceId}-${spanId}-01`]);
  });
});

describe("an attempt", () => {
  test("that fails has the error, its number, and the same sender as the next", async () => {
    await using otlp = await receiver();
    const clock = new TestClock();
    let calls = 0;
    const shaky = node({ name: "shaky", policy: { maxRetries: 1 } }, (message: Message<number>) => {
      calls += 1;
      if (calls === 1) throw new RangeError("too soon");
      return message.payload;
    });
    await using flow = create(double.to(shaky), { clock, instrument: openTelemetry(otlp.providers) });
    flow.run();
    const result = flow.call(1);
    await clock.advance(60_000);
    expect(await result).toBe(2);
    const spans = await otlp.spans();
    const sender = named(spans, "process flow/double").spanId;
    const attempts = spans.filter(({ name }) => name === "process flow/shaky");
    expect(attempts.map(({ links }) => links)).toEqual([[sender], [sender]]);
    expect(attempts.map(({ attributes }) => attributes["penguiflow.attempt"])).toEqual([1, 2]);
    expect(outcomes(spans, "process flow/shaky")).toEqual(["error", "success"]);
    expect(attempts[0]).toMatchObject({
      attributes: { "error.type": "NODE_EXCEPTION" },
      exceptions: [["RangeError", "too soon"]],
      status: { code: ERROR, message: 'Node "shaky" failed: too soon' },
    });
    expect(named(spans, "invoke_workflow flow").attributes["penguiflow.outcome"]).toBe("completed");
  });

  test("has the events that its handler tells, with their data as JSON, cut where it is long", async () => {
    await using otlp = await receiver();
    const teller = payloadNode("teller", (id: number, ctx) => {
      ctx.tell({ type: "app.started" });
      ctx.tell({ type: "app.used", data: { tokens: id, text: "x".repeat(9_000) } });
      return id;
    });
    await using flow = create(teller.to(), { instrument: openTelemetry(otlp.providers) });
    flow.run();
    await flow.call(7);
    const { told } = named(await otlp.spans(), "process flow/teller");
    expect(told.map(([name]) => name)).toEqual(["app.started", "app.used"]);
    expect(told[0]?.[1]).toEqual({});
    const data = told[1]?.[1]["penguiflow.data"] as string;
    expect(data).toHaveLength(8192);
    expect(data).toMatch(/^\{"tokens":7,"text":"x+$/);
  });

  test("that takes too long ends when its time is over, and its trace fails with the code", async () => {
    await using otlp = await receiver();
    const clock = new TestClock();
    const slow = node({ name: "slow", policy: { timeoutMs: 50, maxRetries: 0 } }, (_: Message<number>, ctx) =>
      ctx.sleep(1e6),
    );
    await using flow = create(slow.to(), { clock, instrument: openTelemetry(otlp.providers) });
    flow.run();
    const outcome = flow.outcome(1);
    await clock.advance(50);
    expect((await outcome).status).toBe("failed");
    const spans = await otlp.spans();
    expect(outcomes(spans, "process flow/slow")).toEqual(["timeout"]);
    for (const span of spans)
      expect(span).toMatchObject({ attributes: { "error.type": "NODE_TIMEOUT" }, status: { code: ERROR } });
  });

  test("that is cancelled with its trace says so, and is no error", async () => {
    await using otlp = await receiver();
    const clock = new TestClock();
    const slow = node("slow", (_: Message<number>, ctx) => ctx.sleep(1e6));
    await using flow = create(slow.to(), { clock, instrument: openTelemetry(otlp.providers) });
    flow.run();
    const outcome = flow.outcome(1, { traceId: "t" });
    await clock.advance(1);
    await flow.cancel("t");
    expect((await outcome).status).toBe("cancelled");
    const spans = await otlp.spans();
    expect(outcomes(spans, "process flow/slow")).toEqual(["cancelled"]);
    expect(outcomes(spans, "invoke_workflow flow")).toEqual(["cancelled"]);
    for (const span of spans) {
      expect(span.status.code ?? 0).toBe(0);
      expect(span.attributes).not.toHaveProperty("error.type");
    }
  });

  test("that waits to send when its trace ends is ended with it", async () => {
    await using otlp = await receiver();
    const clock = new TestClock();
    const many = node("many", async (_: Message<number>, ctx) => {
      for (let index = 0; index < 3; index += 1) void ctx.emit(index);
    });
    const stuck = node("stuck", (_: Message<number>, ctx) => ctx.sleep(1e6));
    await using flow = create(many.to(stuck), { clock, queueMaxSize: 1, instrument: openTelemetry(otlp.providers) });
    flow.run();
    const outcome = flow.outcome(1, { timeoutMs: 100 });
    await clock.advance(100);
    expect((await outcome).status).toBe("exhausted");
    const spans = await otlp.spans();
    expect(outcomes(spans, "process flow/many")).toEqual(["abandoned"]);
    expect(outcomes(spans, "process flow/stuck")).toEqual(["cancelled"]);
  });

  test("of a join links to everyone whose message was gathered, at every try", async () => {
    await using otlp = await receiver();
    const clock = new TestClock();
    const split = payloadNode("split", (count: number) => count);
    const left = payloadNode("left", (count: number) => count + 1);
    const right = payloadNode("right", (count: number) => count + 2);
    let calls = 0;
    const validate = (value: unknown) => {
      calls += 1;
      if (calls === 1) throw new Error("again");
      return { value: Number(value) };
    };
    const behind = payloadNode("behind", (parts: readonly number[]) => parts);
    const input = { "~standard": { version: 1 as const, vendor: "test", validate } };
    const both = joinK("both", 2, { policy: { maxRetries: 1 }, input });
    await using flow = create(split.to(left, right), left.to(both), right.to(both), both.to(behind), {
      clock,
      instrument: openTelemetry(otlp.providers),
    });
    flow.run();
    const outcome = flow.outcome(1);
    await clock.advance(60_000);
    const { results, messages } = await outcome;
    expect(results).toEqual([[2, 3]]);
    expect(Object.keys(messages[0]?.meta ?? {})).toEqual(["traceparent"]);
    const spans = await otlp.spans();
    const senders = ["left", "right"].map((name) => named(spans, `process flow/${name}`).spanId);
    const attempts = spans.filter(({ name }) => name === "process flow/both");
    expect(attempts.map(({ links }) => links)).toEqual([senders, senders]);
    expect(attempts.map(({ attributes }) => attributes["messaging.batch.message_count"])).toEqual([2, 2]);
    expect(named(spans, "process flow/behind").links).toEqual([attempts[1]?.spanId]);
  });

  test("that fetches further messages links to those who sent them", async () => {
    await using otlp = await receiver();
    const twice = node("twice", async (_: Message<number>, ctx) => {
      await ctx.emit(1);
      await ctx.emit(2);
    });
    const pair = node("pair", async (message: Message<number>, ctx) => {
      const other = await ctx.fetch();
      return message.payload + Number(other.payload);
    });
    const start = payloadNode("start", (count: number) => count);
    const other = payloadNode("other", (count: number) => count);
    await using flow = create(start.to(twice, other), twice.to(pair), other.to(), {
      instrument: openTelemetry(otlp.providers),
    });
    flow.run();
    await flow.call(1);
    const spans = await otlp.spans();
    const sender = named(spans, "process flow/twice").spanId;
    expect(named(spans, "process flow/pair").links).toEqual([sender, sender]);
  });

  test("of a controller loop is below the trace, however many rounds there are", async () => {
    await using otlp = await receiver();
    const loop = node({ name: "loop", allowCycle: true }, (message: Message<WM>) =>
      message.payload.hops < 4 ? message.payload : message.payload.hops,
    );
    await using flow = create(loop.to(loop), { instrument: openTelemetry(otlp.providers) });
    flow.run();
    await flow.call(new WM({ query: "q", budgetHops: 10 }));
    const spans = await otlp.spans();
    const rounds = spans.filter(({ name }) => name === "process flow/loop");
    expect(rounds).toHaveLength(5);
    const root = named(spans, "invoke_workflow flow").spanId;
    expect(new Set(rounds.map(({ parentSpanId }) => parentSpanId))).toEqual(new Set([root]));
    expect(rounds.map(({ links }) => links)).toEqual([[], ...rounds.slice(0, -1).map(({ spanId }) => [spanId])]);
  });
});

describe("a call of another agent", () => {
  test("is a client span named after the skill, measured, and the agent's own trace goes on from there", async () => {
    await using otlp = await receiver();
    await using agent = create(node("tell", (message: Message<string>) => message.meta["traceparent"] as string).to());
    agent.run();
    const ask = remoteNode("ask", {
      agentUrl: "https://agents.example:8443/search",
      skill: "search",
      transport: new LoopbackTransport({ search: agent }),
      input: shape<string>(),
      output: shape<string>(),
      policy: { timeoutMs: 1_000 },
    });
    await using flow = create(ask.to(), { name: "shop", instrument: openTelemetry(otlp.providers) });
    flow.run();
    const carried = await flow.call("penguins");
    const span = named(await otlp.spans(), "invoke_agent search");
    expect(carried).toContain(span.spanId);
    expect(span.kind).toBe(CLIENT);
    expect(span.attributes).toEqual({
      "gen_ai.operation.name": "invoke_agent",
      "gen_ai.provider.name": "penguiflow",
      "gen_ai.agent.name": "search",
      "gen_ai.conversation.id": expect.any(String) as unknown,
      "server.address": "agents.example",
      "server.port": 8443,
      "penguiflow.flow": "shop",
      "penguiflow.node": "ask",
      "penguiflow.tenant": "default",
      "penguiflow.attempt": 1,
      "penguiflow.outcome": "success",
      "penguiflow.queue_ms": expect.any(Number) as unknown,
      "penguiflow.run_ms": expect.any(Number) as unknown,
      "penguiflow.emit_ms": expect.any(Number) as unknown,
      "penguiflow.remote.state": "completed",
      "penguiflow.remote.task_id": expect.any(String) as unknown,
    });
    const points = (await otlp.points()).filter(({ name }) => name === "penguiflow.remote.duration");
    expect(points).toMatchObject([{ count: 1, attributes: { "penguiflow.node": "ask" } }]);
  });

  test("says where the agent is, with the port that its url stands for", async () => {
    await using otlp = await receiver();
    await using agent = create(payloadNode("echo", (text: string) => text).to());
    agent.run();
    const transport = new LoopbackTransport({ search: agent });
    for (const agentUrl of ["https://agents.example", "http://[::1]/search", "loopback"]) {
      const ask = remoteNode("ask", { agentUrl, skill: "search", transport, input: shape<string>() });
      await using flow = create(ask.to(), { name: agentUrl, instrument: openTelemetry(otlp.providers) });
      await flow.run().call("penguins");
    }
    const places = (await otlp.spans())
      .filter(({ name }) => name === "invoke_agent search")
      .map(({ attributes }) => [attributes["server.address"], attributes["server.port"]]);
    expect(places).toEqual([
      ["agents.example", 443],
      ["::1", 80],
      [undefined, undefined],
    ]);
  });

  test("that is tried again has a span for each attempt, and a failed one says why", async () => {
    await using otlp = await receiver();
    const clock = new TestClock();
    const ask = remoteNode("ask", {
      agentUrl: "https://agents.example",
      skill: "nothing",
      transport: new LoopbackTransport({}),
      policy: { maxRetries: 1, retryIf: () => true },
    });
    await using flow = create(ask.to(), { clock, instrument: openTelemetry(otlp.providers) });
    const outcome = flow.run().outcome("penguins");
    await clock.advance(60_000);
    await outcome;
    const spans = (await otlp.spans()).filter(({ name }) => name === "invoke_agent nothing");
    expect(
      spans.map(({ kind, attributes }) => [kind, attributes["penguiflow.attempt"], attributes["error.type"]]),
    ).toEqual([
      [CLIENT, 1, "REMOTE_REFUSED"],
      [CLIENT, 2, "REMOTE_REFUSED"],
    ]);
  });
});
