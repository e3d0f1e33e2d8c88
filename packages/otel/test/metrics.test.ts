import { openTelemetry } from "@penguiflow/otel";
import { create, type Message, node, payloadNode, predicateRouter } from "penguiflow";
import { TestClock } from "penguiflow/testing";
import { describe, expect, test } from "vitest";
import { type ReceivedPoint, receiver } from "./otlp-receiver.ts";

type Attributes = ReceivedPoint["attributes"];

/** Selects the points of a metric, without the given attributes. */
function points(all: readonly ReceivedPoint[], name: string, without: readonly string[] = []) {
  return all
    .filter((point) => point.name === name)
    .map(({ attributes, value, count, sum }) => ({
      attributes: Object.fromEntries(
        Object.entries(attributes).filter(([key]) => !without.includes(key)),
      ) as Attributes,
      ...(value === undefined ? { count, sum } : { value }),
    }));
}

const at = (nodeName: string): Attributes => ({ "penguiflow.flow": "flow", "penguiflow.node": nodeName });

describe("metrics", () => {
  test("split the latency of a node into waiting, running and sending, in seconds of the flow's clock", async () => {
    await using otlp = await receiver();
    const clock = new TestClock();
    const take = (name: "quick" | "slow", ms: number) =>
      node({ name, policy: { concurrency: 1 } }, async (message: Message<number>, ctx) => {
        await ctx.sleep(ms);
        return message.payload;
      });
    const [quick, slow] = [take("quick", 500), take("slow", 2000)];
    await using flow = create(quick.to(slow), {
      clock,
      queueMaxSize: 1,
      instrument: openTelemetry({ meterProvider: otlp.meterProvider }),
    });
    flow.run();
    const results = Promise.all([1, 2, 3, 4].map((count) => flow.call(count)));
    await clock.advance(20_000);
    await results;
    const all = await otlp.points();
    const seconds = (name: string) =>
      all
        .filter((point) => point.name === name)
        .map(({ attributes, count, sum }) => [attributes["penguiflow.node"], count, sum]);
    expect(seconds("penguiflow.node.run.duration")).toEqual([
      ["quick", 4, 2],
      ["slow", 4, 8],
    ]);
    // quick starts at 0, 0.5, 1 and 2.5, because its third result waits until then for capacity
    expect(seconds("penguiflow.node.queue.duration")[0]).toEqual(["quick", 4, 4]);
    // the third result waits from 1.5 to 2.5, the fourth from 3 to 4.5
    expect(seconds("penguiflow.node.emit.duration")).toEqual([
      ["quick", 4, 2.5],
      ["slow", 4, 0],
    ]);
    const process = all.filter(({ name }) => name === "messaging.process.duration");
    expect(process.map(({ unit, attributes }) => [unit, attributes["messaging.destination.name"]])).toEqual([
      ["s", "flow/quick"],
      ["s", "flow/slow"],
    ]);
  });

  test("tell what waits and what is under way when they are collected, and none of it when the flow was stopped", async () => {
    await using otlp = await receiver();
    const clock = new TestClock();
    const slow = node({ name: "slow", policy: { concurrency: 2 } }, (_: Message<number>, ctx) => ctx.sleep(1000));
    const flow = create(slow.to(), { clock, instrument: openTelemetry(otlp.providers) });
    flow.run();
    for (let index = 0; index < 5; index += 1) void flow.outcome(index);
    await clock.advance(1);
    const busy = await otlp.points();
    expect(points(busy, "penguiflow.node.queue.depth")).toEqual([{ attributes: at("slow"), value: 3 }]);
    expect(points(busy, "penguiflow.node.in_flight")).toEqual([{ attributes: at("slow"), value: 2 }]);
    expect(points(busy, "penguiflow.trace.in_flight")).toEqual([
      { attributes: { "penguiflow.flow": "flow" }, value: 5 },
    ]);
    await flow.stop();
    const stopped = await otlp.points();
    expect(points(stopped, "penguiflow.node.queue.depth")).toEqual([{ attributes: at("slow"), value: 0 }]);
    expect(points(stopped, "penguiflow.trace.in_flight")).toMatchObject([{ value: 0 }]);
    expect(points(stopped, "penguiflow.trace.outcomes")).toEqual([
      { attributes: { "penguiflow.flow": "flow", "penguiflow.outcome": "stopped" }, value: 5 },
    ]);
  });

  test("count outcomes by status and, of failures, by code", async () => {
    await using otlp = await receiver();
    const clock = new TestClock();
    const work = node({ name: "work", policy: { maxRetries: 0 } }, async (message: Message<string>, ctx) => {
      if (message.payload === "throw") throw new Error("no");
      if (message.payload === "sleep") await ctx.sleep(1e6);
      return message.payload === "nothing" ? undefined : message.payload;
    });
    await using flow = create(work.to(), { clock, instrument: openTelemetry(otlp.providers) });
    flow.run();
    const all = ["fine", "fine", "throw", "nothing"].map((payload) => flow.outcome(payload));
    all.push(flow.outcome("sleep", { timeoutMs: 10 }));
    await clock.advance(10);
    await Promise.all(all);
    const cancelled = flow.outcome("sleep", { traceId: "t" });
    await clock.advance(1);
    await flow.cancel("t");
    await cancelled;
    const received = await otlp.points();
    expect(points(received, "penguiflow.trace.outcomes", ["penguiflow.flow"])).toEqual([
      { attributes: { "penguiflow.outcome": "completed" }, value: 2 },
      { attributes: { "penguiflow.outcome": "failed", "error.type": "NODE_EXCEPTION" }, value: 1 },
      { attributes: { "penguiflow.outcome": "empty", "error.type": "NO_RESULT" }, value: 1 },
      { attributes: { "penguiflow.outcome": "exhausted", "error.type": "DEADLINE_EXCEEDED" }, value: 1 },
      { attributes: { "penguiflow.outcome": "cancelled" }, value: 1 },
    ]);
    expect(received.filter(({ name }) => name === "penguiflow.trace.duration")).toHaveLength(5);
  });

  test("count retries, and attempts that failed by code", async () => {
    await using otlp = await receiver();
    const clock = new TestClock();
    const shaky = node({ name: "shaky", policy: { maxRetries: 2 } }, (_: Message<number>) => {
      throw new Error("no");
    });
    await using flow = create(shaky.to(), { clock, instrument: openTelemetry(otlp.providers) });
    flow.run();
    const outcome = flow.outcome(1);
    await clock.advance(600_000);
    await outcome;
    const received = await otlp.points();
    expect(points(received, "penguiflow.node.retries")).toEqual([{ attributes: at("shaky"), value: 2 }]);
    const [failed, ...others] = points(received, "messaging.process.duration");
    expect(others).toEqual([]);
    expect(failed).toMatchObject({ attributes: { "error.type": "NODE_EXCEPTION" }, count: 3 });
  });

  test("count what is dropped, and why", async () => {
    await using otlp = await receiver();
    const clock = new TestClock();
    const route = predicateRouter("route", (_: Message<number>) => undefined);
    const slow = node("slow", (_: Message<number>, ctx) => ctx.sleep(1e6));
    await using flow = create(route.to(slow), slow.to(), { clock, instrument: openTelemetry(otlp.providers) });
    flow.run();
    await flow.outcome(1);
    const queue = node({ name: "queue", policy: { concurrency: 1 } }, (_: Message<number>, ctx) => ctx.sleep(1e6));
    await using waiting = create(queue.to(), { clock, name: "waiting", instrument: openTelemetry(otlp.providers) });
    waiting.run();
    const outcomes = [waiting.outcome(1), waiting.outcome(2, { timeoutMs: 5 }), waiting.outcome(3, { traceId: "t" })];
    await clock.advance(5);
    await waiting.cancel("t");
    await waiting.stop();
    await Promise.all(outcomes);
    expect(points(await otlp.points(), "penguiflow.drops", ["penguiflow.flow"])).toEqual([
      { attributes: { "penguiflow.node": "route", "penguiflow.reason": "route_drop" }, value: 1 },
      { attributes: { "penguiflow.node": "queue", "penguiflow.reason": "deadline_skip" }, value: 1 },
      { attributes: { "penguiflow.node": "queue", "penguiflow.reason": "message_drop" }, value: 1 },
    ]);
  });

  test("of several runs of one name are added up", async () => {
    await using otlp = await receiver();
    const clock = new TestClock();
    const slow = node("slow", (_: Message<number>, ctx) => ctx.sleep(1e6));
    const options = { clock, instrument: openTelemetry(otlp.providers) };
    await using one = create(slow.to(), options);
    await using two = create(slow.to(), options);
    const waits = [one.run().outcome(1), two.run().outcome(2), two.outcome(3)];
    await clock.advance(1);
    expect(points(await otlp.points(), "penguiflow.trace.in_flight")).toMatchObject([{ value: 3 }]);
    await Promise.all([one.stop(), two.stop(), ...waits]);
  });

  test("of several flows are told apart, though they share their names", async () => {
    await using otlp = await receiver();
    const echo = payloadNode("echo", (text: string) => text);
    const instrument = openTelemetry(otlp.providers);
    await using one = create(echo.to(), { name: "one", instrument });
    await using two = create(echo.to(), { name: "two", instrument });
    await Promise.all([one.run().call("a"), two.run().call("b"), two.call("c")]);
    const byFlow = points(await otlp.points(), "penguiflow.trace.outcomes", ["penguiflow.outcome"]);
    expect(byFlow).toEqual([
      { attributes: { "penguiflow.flow": "one" }, value: 1 },
      { attributes: { "penguiflow.flow": "two" }, value: 2 },
    ]);
  });
});
