import {
  create,
  type FlowEvent,
  joinK,
  MemoryCheckpointStore,
  type Message,
  node,
  payloadNode,
  predicateRouter,
} from "penguiflow";
import { durable } from "penguiflow/durable";
import { settle, TestClock } from "penguiflow/testing";
import { describe, expect, test } from "vitest";
import { recorder, tidy } from "../fixtures/watched-flow.ts";

const echo = payloadNode("echo", (value: number) => value);
const isOfMessage = (event: FlowEvent): event is Extract<FlowEvent, { lineage: string }> => "lineage" in event;
/** Returns the edges over which the events' messages came. */
const edges = (events: readonly FlowEvent[], type: FlowEvent["type"]) =>
  events.filter(isOfMessage).flatMap((event) => (event.type === type ? [`${event.from ?? "-"}>${event.node}`] : []));

describe("events of a message", () => {
  test("tell two messages of one trace at one node apart", async () => {
    const watch = recorder();
    const split = node({ name: "split" }, async (message: Message<number>, ctx) => {
      await ctx.emit(message.with({ payload: 1 }));
      await ctx.emit(message.with({ payload: 2 }));
    });
    const flow = tidy(create(split.to(echo), { middlewares: [watch.middleware] }).run());
    await flow.outcome(0);
    await flow.flush();
    const ofEcho = watch.events.filter(isOfMessage).filter((event) => event.node === "echo");
    const lineages = [...new Set(ofEcho.map((event) => event.lineage))];
    expect(lineages).toHaveLength(2);
    for (const lineage of lineages)
      expect(ofEcho.filter((event) => event.lineage === lineage).map(({ type }) => type)).toEqual([
        "node_start",
        "node_success",
      ]);
  });

  test("have the same lineage and sender for all attempts", async () => {
    const clock = new TestClock();
    const watch = recorder();
    let calls = 0;
    const shaky = payloadNode({ name: "shaky", policy: { maxRetries: 1, backoffBaseMs: 10 } }, (value: number) => {
      calls += 1;
      if (calls === 1) throw new Error("not yet");
      return value;
    });
    // two edges lead to the node, so that the sender does not follow from the graph
    const other = payloadNode("other", (value: number) => value);
    const flow = tidy(create(echo.to(shaky), other.to(shaky), { clock, middlewares: [watch.middleware] }).run());
    const outcome = flow.outcome(1, { to: "other" });
    await clock.advance(20);
    await outcome;
    await flow.flush();
    const ofShaky = watch.events.filter(isOfMessage).filter((event) => event.node === "shaky");
    expect(ofShaky.map(({ type, from }) => [type, from])).toEqual([
      ["node_start", "other"],
      ["node_error", "other"],
      ["node_retry", "other"],
      ["node_start", "other"],
      ["node_success", "other"],
    ]);
    expect(new Set(ofShaky.map((event) => event.lineage)).size).toBe(1);
  });

  test("name the sender: over a free edge, over a full one, around a loop, and none from outside", async () => {
    const watch = recorder();
    const loop = node({ name: "loop", policy: { concurrency: 1 } }, async (message: Message<number>, ctx) => {
      await ctx.emit(message.with({ payload: message.payload - 1 }), { to: message.payload > 1 ? "loop" : "echo" });
    });
    const start = payloadNode({ name: "start" }, (value: number) => value);
    const flow = tidy(
      create(start.to(loop), loop.to(loop, echo), {
        middlewares: [watch.middleware],
        queueMaxSize: 1,
        allowCycles: true,
      }).run(),
    );
    await Promise.all([flow.outcome(2), flow.outcome(2), flow.outcome(2)]);
    await flow.flush();
    const started = edges(watch.events, "node_start");
    expect(started.sort()).toEqual(
      ["->start", "start>loop", "loop>loop", "loop>echo"].flatMap((edge) => [edge, edge, edge]).sort(),
    );
    expect(edges(watch.events, "node_success").sort()).toEqual(started);
  });

  test("name the sender of each message that waits in a join, and of its group where that is certain", async () => {
    const watch = recorder();
    const left = payloadNode("left", (value: number) => value);
    const right = payloadNode("right", (value: number) => value);
    const pair = joinK("pair", 2);
    const flow = tidy(
      create(echo.to(left, right), left.to(pair), right.to(pair), { middlewares: [watch.middleware] }).run(),
    );
    await flow.outcome(1);
    await flow.flush();
    expect(edges(watch.events, "join_wait")).toEqual(["left>pair", "right>pair"]);
    expect(edges(watch.events, "node_start")).toEqual(["->echo", "echo>left", "echo>right", "->pair"]);
  });

  test("keep sender and lineage over a pause", async () => {
    const watch = recorder();
    const even = payloadNode("even", (value: number) => value);
    const odd = payloadNode("odd", (value: number) => value);
    const ask = payloadNode("ask", (_value: number, ctx) => ctx.pause<string>({ reason: "approve" }));
    const choose = predicateRouter("choose", (message: Message<number>) =>
      message.payload % 2 === 0 ? "even" : "odd",
    );
    const flow = tidy(
      create(choose.to(even, odd), even.to(ask), odd.to(ask), { middlewares: [watch.middleware] }).run(),
    );
    const paused = await flow.outcome(3);
    if (paused.status !== "paused") throw new Error("expected a pause");
    await flow.pauses.resume(paused.pauses[0]!.token, "yes");
    await flow.flush();
    const ofAsk = watch.events.filter(isOfMessage).filter((event) => event.node === "ask");
    expect(ofAsk.map(({ type, from }) => [type, from])).toEqual([
      ["node_start", "odd"],
      ["node_pause", "odd"],
      ["node_start", "odd"],
      ["node_resume", "odd"],
      ["node_success", "odd"],
    ]);
    expect(new Set(ofAsk.map((event) => event.lineage)).size).toBe(1);
  });

  test("have the lineage again after a restart", async () => {
    const checkpoints = new MemoryCheckpointStore();
    const build = (middleware: (event: FlowEvent) => void) =>
      create(echo.to(payloadNode("ask", (_value: number, ctx) => ctx.pause<string>({ reason: "approve" }))), {
        durability: durable({ checkpoints }),
        middlewares: [middleware],
      });
    const first = recorder();
    const one = build(first.middleware);
    const paused = await one.run().outcome(1);
    if (paused.status !== "paused") throw new Error("expected a pause");
    await one.stop();
    const second = recorder();
    await using two = build(second.middleware);
    await two.run().pauses.resume(paused.pauses[0]!.token, "yes");
    await two.flush();
    const before = first.of("node_pause")[0]!;
    const after = second.of("node_resume")[0]!;
    expect([after.lineage, after.from]).toEqual([before.lineage, "echo"]);
  });
});

describe("the numbers of events", () => {
  test("follow their order, over all traces and playbooks of a run", async () => {
    const watch = recorder();
    const inner = create(echo.to(), { name: "inner" });
    const outer = payloadNode("outer", async (value: number, ctx) => ctx.callPlaybook(inner, value));
    const flow = tidy(create(outer.to(), { middlewares: [watch.middleware] }).run());
    await Promise.all([flow.call(1), flow.call(2)]);
    await flow.flush();
    expect(watch.events.map(({ seq }) => seq)).toEqual(watch.events.map((_, index) => index + 1));
    expect(watch.events.some(({ flow: name }) => name === "flow/inner")).toBe(true);
  });

  test("begin anew with each run", async () => {
    const watch = recorder();
    const flow = create(echo.to(), { middlewares: [watch.middleware] });
    for (const value of [1, 2]) {
      await flow.run().call(value);
      await settle();
      await flow.stop();
    }
    expect(watch.events.filter(({ seq }) => seq === 1).map(({ type }) => type)).toEqual(["trace_start", "trace_start"]);
  });
});
