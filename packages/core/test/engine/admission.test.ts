import { describe, expect, test } from "vitest";
import { create, type Message, MemoryCheckpointStore, node, payloadNode } from "penguiflow";
import { durable } from "penguiflow/durable";
import { settle, TestClock } from "penguiflow/testing";
import { passing, range, readAll, running } from "../fixtures/quiet-flow.ts";

/** Creates a flow whose only node works 10 ms and records when it begins and ends with each message. */
function logged(options: object = {}) {
  const clock = new TestClock();
  const log: string[] = [];
  const work = payloadNode("work", async (name: string, ctx) => {
    log.push(`+${name}`);
    await ctx.sleep(10);
    log.push(`-${name}`);
    return name;
  });
  return { clock, log, flow: running(create(work.to(), { clock, ...options }), clock) };
}

describe("traces of one tenant and exclusive key", () => {
  test("run one after the other, in the order of their calls, however they are called", async () => {
    const { clock, log, flow } = logged();
    const options = { exclusive: "thread-1" };
    const all = Promise.all([
      flow.call("a", options),
      flow.outcome("b", options),
      readAll(flow.stream("c", options)),
      flow.emit("d", { ...options, traceId: "d" }),
      flow.call("e", options),
    ]);
    await clock.advance(5);
    expect(log).toEqual(["+a"]);
    expect(flow.stats()).toMatchObject({ traces: 5, waitingTraces: 4 });
    await passing(clock, all, 100);
    expect(log).toEqual(["a", "b", "c", "d", "e"].flatMap((name) => [`+${name}`, `-${name}`]));
    expect((await flow.fetch({ traceId: "d" })) as Message).toMatchObject({ payload: "d" });
    await settle();
    expect(flow.stats()).toMatchObject({ traces: 0, waitingTraces: 0 });
  });

  test("wait for no trace of another key or tenant", async () => {
    const { clock, log, flow } = logged();
    const calls = Promise.all([
      flow.call("a", { exclusive: "k" }),
      flow.call("b", { exclusive: "other" }),
      flow.call("c", { exclusive: "k", tenant: "other" }),
      flow.call("d"),
    ]);
    await clock.advance(1);
    expect(log).toEqual(["+a", "+b", "+c", "+d"]);
    await passing(clock, calls, 20);
  });

  test("keep the order of the messages that are emitted into one of them while it waits", async () => {
    const { clock, log, flow } = logged();
    const options = { exclusive: "k", traceId: "t" };
    const first = flow.call("a", { exclusive: "k" });
    const emits = Promise.all(range(4).map((index) => flow.emit(String(index), options)));
    await passing(clock, Promise.all([first, emits]), 100);
    await clock.advance(50);
    expect(log.filter((entry) => entry.startsWith("+"))).toEqual(["+a", "+0", "+1", "+2", "+3"]);
  });

  test("begin only when the handlers of a cancelled one have returned", async () => {
    const clock = new TestClock();
    const log: string[] = [];
    const stubborn = payloadNode("stubborn", async (name: string) => {
      log.push(`+${name}`);
      await new Promise<void>((resolve) => clock.setTimer(resolve, 20));
      log.push(`-${name}`);
      return name;
    });
    const flow = running(create(stubborn.to(), { clock }), clock);
    const first = flow.outcome("a", { exclusive: "k", traceId: "a" });
    const second = flow.call("b", { exclusive: "k" });
    await clock.advance(1);
    void flow.cancel("a");
    expect((await first).status).toBe("cancelled");
    await passing(clock, second, 100);
    expect(log).toEqual(["+a", "-a", "+b", "-b"]);
  });

  test("keep their key while one waits for an answer", async () => {
    const clock = new TestClock();
    const ask = node("ask", async (message: Message<string>, ctx) =>
      message.payload === "a" ? await ctx.pause<string>({ reason: "sure?" }) : message.payload,
    );
    const flow = running(create(ask.to(), { clock }), clock);
    const paused = await flow.outcome("a", { exclusive: "k" });
    const second = flow.call("b", { exclusive: "k" });
    await settle();
    expect(flow.stats().waitingTraces).toBe(1);
    if (paused.status !== "paused") throw new Error("it did not pause");
    expect(await flow.pauses.resume(paused.pauses[0]?.token as string, "yes")).toMatchObject({
      status: "completed",
      result: "yes",
    });
    expect(await second).toBe("b");
  });

  test("are refused by emitNowait while one runs", async () => {
    const { clock, flow } = logged();
    const first = flow.call("a", { exclusive: "k" });
    expect(() => flow.emitNowait("b", { exclusive: "k" })).toThrow(/exclusive key "k" runs/);
    await passing(clock, first, 20);
    await settle();
    flow.emitNowait("b", { exclusive: "k", traceId: "b" });
    await clock.advance(20);
    expect(await flow.fetch({ traceId: "b" })).toMatchObject({ payload: "b" });
    expect(() => flow.emitNowait("c", { exclusive: "" })).toThrow(TypeError);
  });

  test.each(["cancel", "signal", "deadline", "stop"] as const)("end their wait with %s", async (how) => {
    const { clock, flow, log } = logged();
    const first = flow.outcome("a", { exclusive: "k" });
    const controller = new AbortController();
    const second = flow.outcome("b", {
      exclusive: "k",
      traceId: "b",
      signal: controller.signal,
      ...(how === "deadline" ? { timeoutMs: 3 } : {}),
    });
    const third = flow.outcome("c", { exclusive: "k" });
    await clock.advance(1);
    if (how === "cancel") await flow.cancel("b");
    if (how === "signal") controller.abort();
    if (how === "deadline") await clock.advance(3);
    const stopped = how === "stop" ? flow.stop() : undefined;
    const expected = { cancel: "cancelled", signal: "cancelled", deadline: "exhausted", stop: "stopped" }[how];
    expect((await second).status).toBe(expected);
    await passing(clock, Promise.all([first, third, stopped]), 2000);
    expect(log.includes("+b")).toBe(false);
    expect(log.includes("+c")).toBe(how !== "stop");
  });

  test("wait for the one of an earlier process, and for a failed one that is tried again", async () => {
    const clock = new TestClock();
    const checkpoints = new MemoryCheckpointStore({ clock });
    const log: string[] = [];
    let fails = true;
    const flowOf = (name: string) => {
      const work = payloadNode("work", async (payload: string, ctx) => {
        log.push(`+${payload}`);
        await ctx.sleep(10);
        if (payload === "bad" && fails) throw new Error("as planned");
        log.push(`-${payload}`);
        return `${payload} by ${name}`;
      });
      return create(work.to(), { name: "flow", clock, durability: durable({ checkpoints }) });
    };
    const options = { exclusive: "k", tenant: "ada" };
    const before = flowOf("first");
    before.run();
    const emitted = before.emit("a", { ...options, traceId: "a" });
    await clock.advance(5);
    await emitted;
    await before.stop();
    await using flow = flowOf("second");
    flow.run();
    const second = flow.call("b", options);
    await passing(clock, second, 100);
    expect(log).toEqual(["+a", "+a", "-a", "+b", "-b"]);
    await passing(clock, flow.outcome("bad", { ...options, traceId: "bad" }), 100);
    log.length = 0;
    fails = false;
    const third = flow.call("c", options);
    await settle();
    const retried = flow.recovery.retryFailed("bad", { tenant: "ada" });
    await settle();
    expect(flow.stats().waitingTraces).toBe(1);
    await passing(clock, Promise.all([third, retried]), 100);
    await clock.advance(50);
    expect(log).toEqual(["+c", "-c", "+bad", "-bad"]);
    expect(flow.stats()).toMatchObject({ traces: 0, waitingTraces: 0 });
  });
});

describe("maxTraces", () => {
  test("bounds the traces in flight; further callers wait, tenants in turn", async () => {
    const { clock, log, flow } = logged({ maxTraces: 2 });
    const calls = [
      ...range(6).map((index) => flow.call(`flood${index}`, { tenant: "flood" })),
      flow.call("few", { tenant: "few" }),
    ];
    await clock.advance(1);
    expect(log).toEqual(["+flood0", "+flood1"]);
    expect(flow.stats()).toMatchObject({ traces: 7, waitingTraces: 5 });
    await clock.advance(11);
    expect(log).toContain("+few");
    await passing(clock, Promise.all(calls), 100);
    await settle();
    expect(flow.stats()).toMatchObject({ traces: 0, waitingTraces: 0 });
  });

  test("makes emit wait and emitNowait throw QUEUE_FULL, which leaves nothing", async () => {
    const { clock, flow } = logged({ maxTraces: 1 });
    const first = flow.call("a");
    expect(() => flow.emitNowait("b")).toThrow(/maxTraces \(1\)/);
    const second = flow.emit("c", { traceId: "c" });
    await settle();
    expect(flow.stats()).toMatchObject({ traces: 2, waitingTraces: 1 });
    expect(() => flow.emitNowait("d", { traceId: "c" })).toThrow(/waits for its turn/);
    await passing(clock, Promise.all([first, second]), 50);
    await clock.advance(20);
    expect(await flow.fetch({ traceId: "c" })).toMatchObject({ payload: "c" });
  });

  test("counts no trace that waits behind an exclusive key", async () => {
    const { clock, log, flow } = logged({ maxTraces: 2 });
    const calls = [...range(3).map((index) => flow.call(`k${index}`, { exclusive: "k" })), flow.call("free")];
    await clock.advance(1);
    expect(log).toEqual(["+k0", "+free"]);
    await passing(clock, Promise.all(calls), 100);
  });

  test("counts no trace that waits only for an answer", async () => {
    const clock = new TestClock();
    const ask = node("ask", async (message: Message<string>, ctx) =>
      message.payload === "a" ? await ctx.pause<string>({ reason: "sure?" }) : message.payload,
    );
    const flow = running(create(ask.to(), { clock, maxTraces: 1 }), clock);
    const paused = await flow.outcome("a");
    expect(await flow.call("b")).toBe("b");
    if (paused.status !== "paused") throw new Error("it did not pause");
    expect(await flow.pauses.resume(paused.pauses[0]?.token as string, "yes")).toMatchObject({ status: "completed" });
    expect(await flow.call("c")).toBe("c");
    expect(flow.stats()).toMatchObject({ traces: 0, waitingTraces: 0 });
  });

  test("lets as many traces into a cycle of the graph", async () => {
    const clock = new TestClock();
    const inside = { now: 0, most: 0 };
    const enter = payloadNode({ name: "enter", policy: { concurrency: 2 } }, (round: number) => round);
    const act = node({ name: "act", policy: { concurrency: 500 } }, async (message: Message<number>, ctx) => {
      inside.most = Math.max(inside.most, (inside.now += 1));
      await ctx.sleep(10);
      inside.now -= 1;
      if (message.payload > 0) await ctx.emit(message.payload - 1, { to: "again" });
      else await ctx.emit(0, { to: "done" });
    });
    const again = payloadNode({ name: "again", policy: { concurrency: 500 } }, (round: number) => round);
    const done = payloadNode("done", (round: number) => round);
    const flow = running(
      create(enter.to(act), act.to(again, done), again.to(act), { clock, allowCycles: true, maxTraces: 300 }),
      clock,
    );
    const calls = Promise.all(range(400).map(() => flow.call(3)));
    await passing(clock, calls, 200);
    expect(inside.most).toBe(300);
  });

  test("must be a whole number", () => {
    expect(() => create(payloadNode("n", (n: number) => n).to(), { maxTraces: -1 })).toThrow(/"maxTraces"/);
  });
});
