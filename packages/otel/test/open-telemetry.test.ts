import { context, diag, DiagLogLevel, metrics, trace } from "@opentelemetry/api";
import { TracerProvider } from "@opentelemetry/sdk-trace";
import { openTelemetry } from "@penguiflow/otel";
import { create, type Message, node, payloadNode } from "penguiflow";
import { afterEach, describe, expect, test } from "vitest";
import { receiver } from "./otlp-receiver.ts";

const double = payloadNode("double", (count: number) => count * 2);
const again = payloadNode("again", (count: number) => count * 2);

afterEach(() => {
  trace.disable();
  metrics.disable();
  diag.disable();
  context.disable();
});

describe("openTelemetry", () => {
  test("uses the SDK that is registered when the flow is run", async () => {
    const instrument = openTelemetry();
    await using otlp = await receiver();
    trace.setGlobalTracerProvider(otlp.tracerProvider);
    metrics.setGlobalMeterProvider(otlp.meterProvider);
    await using flow = create(double.to(), { instrument });
    await flow.run().call(1);
    expect((await otlp.spans()).map(({ name }) => name)).toEqual(["process flow/double", "invoke_workflow flow"]);
    expect((await otlp.points()).map(({ name }) => name)).toContain("penguiflow.trace.outcomes");
  });

  test("follows nothing when no SDK is registered", async () => {
    expect(openTelemetry()({ flow: "flow", stats: () => ({ traces: 0, nodes: [] }) })).toBeUndefined();
    await using flow = create(double.to(), { instrument: openTelemetry() });
    const { messages } = await flow.run().outcome(1);
    expect(messages[0]?.meta).toEqual({});
  });

  test("writes no payload unless it is told how", async () => {
    await using otlp = await receiver();
    const secretive = node("secretive", (message: Message<string>) => `${message.payload} and more`);
    await using flow = create(secretive.to(), { instrument: openTelemetry(otlp.providers) });
    await flow.run().call("my password");
    const spans = await otlp.spans();
    expect(spans).toHaveLength(2);
    expect(JSON.stringify(spans)).not.toContain("password");
  });

  test("writes what handlers are given and return as contents shows it", async () => {
    await using otlp = await receiver();
    const places: unknown[] = [];
    const instrument = openTelemetry({
      ...otlp.providers,
      contents: (payload, place) => {
        places.push(place);
        const { user, text } = payload as { user: string; text: string };
        return place.node === "hide" ? undefined : { user: user[0], text };
      },
    });
    const show = payloadNode("show", async (question: { user: string; text: string }) => question);
    const hide = node("hide", (message: Message<{ user: string; text: string }>) =>
      message.with({ payload: { user: "bob", text: "ok" } }),
    );
    const long = payloadNode("long", (answer: { user: string; text: string }) => ({
      ...answer,
      text: "x".repeat(9000),
    }));
    await using flow = create(show.to(hide).to(long), { name: "talk", instrument });
    await flow.run().call({ user: "ada", text: "hi" });
    const spans = await otlp.spans();
    const contents = spans.map(({ attributes }) => [
      attributes["penguiflow.node"],
      attributes["penguiflow.input"],
      attributes["penguiflow.output"],
    ]);
    expect(contents).toEqual([
      ["show", '{"user":"a","text":"hi"}', '{"user":"a","text":"hi"}'],
      ["hide", undefined, undefined],
      ["long", '{"user":"b","text":"ok"}', `{"user":"b","text":"${"x".repeat(8172)}`],
      [undefined, undefined, undefined],
    ]);
    expect(places.slice(0, 2)).toEqual([
      { flow: "talk", node: "show", side: "input" },
      { flow: "talk", node: "show", side: "output" },
    ]);
  });

  test("never reaches the flow with its own failures: contents that throw, an SDK that throws", async () => {
    await using otlp = await receiver();
    const complaints: unknown[][] = [];
    const note = (...words: unknown[]) => void complaints.push(words);
    diag.setLogger({ error: note, warn: note, info: note, debug: note, verbose: note }, DiagLogLevel.ERROR);
    const fault = new Error("contents at fault");
    const contents = () => {
      throw fault;
    };
    await using wordy = create(double.to(), { instrument: openTelemetry({ ...otlp.providers, contents }) });
    expect(await wordy.run().call(1)).toBe(2);
    expect(complaints).toEqual([
      ["penguiflow: contents cannot be written", fault],
      ["penguiflow: contents cannot be written", fault],
    ]);
    const warnings: string[] = [];
    const broken = new TracerProvider({
      spanProcessors: [
        {
          onStart: contents,
          onEnd: contents,
          forceFlush: async () => {},
          shutdown: async () => {},
        },
      ],
    });
    await using flow = create(double.to(again), {
      logger: { ...console, warn: (message) => void warnings.push(message) },
      instrument: openTelemetry({ tracerProvider: broken }),
    });
    expect(await flow.run().call(1)).toBe(4);
    expect(warnings).toContain("instrument_failed");
  });

  test("leaves errors of handlers as they are", async () => {
    await using otlp = await receiver();
    const fail = payloadNode({ name: "fail", policy: { maxRetries: 0 } }, async (_: number) => {
      throw new RangeError("mine");
    });
    const contents = (payload: unknown) => payload;
    await using flow = create(fail.to(), { instrument: openTelemetry({ ...otlp.providers, contents }) });
    await expect(flow.run().call(1)).rejects.toMatchObject({ cause: { message: "mine" } });
  });

  test.for([
    [
      { content: 1 },
      'Unknown option "content" of openTelemetry: expected one of "tracerProvider", "meterProvider", "contents"',
    ],
    [{ contents: true }, 'Option "contents" of openTelemetry must be a function (payload, place): got true'],
    [{ tracerProvider: {} }, 'Option "tracerProvider" of openTelemetry must be a TracerProvider: it has no getTracer'],
    [{ meterProvider: {} }, 'Option "meterProvider" of openTelemetry must be a MeterProvider: it has no getMeter'],
  ] as const)("refuses %j", ([options, message]) => {
    expect(() => openTelemetry(options as never)).toThrow(new TypeError(message));
  });
});
