import { describe, expect, test } from "vitest";
import {
  create,
  type FlowError,
  joinK,
  MemoryCheckpointStore,
  MemoryStateStore,
  type Message,
  node,
  payloadNode,
  shape,
  streamFlow,
} from "penguiflow";
import { durable } from "penguiflow/durable";
import { settle, TestClock } from "penguiflow/testing";
import { z } from "zod";
import { passing, readAll, running } from "../fixtures/quiet-flow.ts";
import { leftovers, NOTHING, recorder, rejection, tidy, within } from "../fixtures/watched-flow.ts";

const Question = z.object({ text: z.string().min(1) });
const bad = { text: "" };
const good = { text: "why?" };

function answering(calls: unknown[] = []) {
  return payloadNode({ name: "answer", input: Question }, async ({ text }, ctx) => {
    calls.push(text);
    await ctx.emitChunk({ text });
    return text.length;
  });
}

const kinds = async (items: AsyncIterable<{ readonly type: string }>): Promise<string[]> => {
  const seen: string[] = [];
  for await (const { type } of items) seen.push(type);
  return seen;
};

describe("a stream that is accepted before it is read", () => {
  test("yields the same as any other", async () => {
    const flow = tidy(create(answering().to()).run());
    const stream = flow.stream(good);
    await stream.accepted();
    expect(await kinds(stream)).toEqual(["chunk", "chunk", "result"]);
    expect(leftovers(flow.stats())).toEqual(NOTHING);
  });

  test("is refused by the input schema of its entry node, with the issues, and begins no trace", async () => {
    const calls: unknown[] = [];
    const { events, middleware } = recorder();
    const flow = tidy(create(answering(calls).to(), { middlewares: [middleware] }).run());
    const stream = flow.stream(bad, { traceId: "t1", tenant: "acme" });
    const error = (await rejection(stream.accepted())) as FlowError;
    expect(error).toMatchObject({ code: "INPUT_INVALID", node: "answer" });
    expect(error.details).toMatchObject({ issues: [{ path: "payload.text" }] });
    expect(calls).toEqual([]);
    expect(leftovers(flow.stats())).toEqual(NOTHING);
    await flow.flush();
    expect(events).toEqual([]);
    expect(flow.stats().accepted).toBe(0);
    // a reader of the stream receives the same error
    expect(await rejection(kinds(stream))).toMatchObject({ code: "INPUT_INVALID" });
  });

  test("is refused when any of several entry nodes does not take it, and none of them is called", async () => {
    const calls: unknown[] = [];
    const any = payloadNode({ name: "any", input: z.object({ text: z.string() }) }, (value) => calls.push(value));
    const flow = tidy(create(any.to(), answering(calls).to()).run());
    await expect(flow.stream(bad).accepted()).rejects.toMatchObject({ code: "INPUT_INVALID", node: "answer" });
    expect(calls).toEqual([]);
    await flow.stream(bad, { to: "any" }).accepted();
  });

  test("waits for schemas that are asynchronous", async () => {
    const Slow = z.string().refine(async (text) => text !== "bad");
    const echo = payloadNode({ name: "echo", input: Slow }, (text) => text);
    const flow = tidy(create(echo.to()).run());
    await expect(flow.stream("bad").accepted()).rejects.toMatchObject({ code: "INPUT_INVALID" });
    const stream = flow.stream("good");
    await stream.accepted();
    expect(await kinds(stream)).toEqual(["result"]);
  });

  test("is refused by a schema that hangs when its deadline passes, its signal aborts or the flow stops", async () => {
    const clock = new TestClock();
    const hang = payloadNode(
      { name: "hang", input: z.string().refine(() => new Promise<boolean>(() => {})) },
      (text) => text,
    );
    const flow = create(hang.to(), { clock }).run();
    const late = flow.stream("x", { timeoutMs: 50 }).accepted();
    const left = new AbortController();
    const aborted = flow.stream("x", { signal: left.signal }).accepted();
    const stopped = flow.stream("x").accepted();
    const all = Promise.allSettled([late, aborted, stopped]);
    await clock.advance(50);
    left.abort();
    await settle();
    expect(leftovers(flow.stats())).toMatchObject({ traces: 0, timers: 0 });
    await flow.stop();
    expect(
      (await within(1_000, all)).map((one) => (one.status === "rejected" ? (one.reason as FlowError).code : "")),
    ).toEqual(["DEADLINE_EXCEEDED", "WAIT_ABORTED", "FLOW_STOPPED"]);
  });

  test("is refused by a flow that stops, without the check of a schema that may hang", async () => {
    const clock = new TestClock();
    const hang = payloadNode(
      { name: "hang", input: z.string().refine(() => new Promise<boolean>(() => {})) },
      (text) => text,
    );
    const quick = payloadNode("quick", (text: string) => text);
    const stateStore = new MemoryStateStore();
    stateStore.saveEvents = () => new Promise(() => {});
    const flow = create(hang.to(), quick.to(), { clock, stateStore, graceMs: 10 }).run();
    await flow.call("x", { to: "quick" });
    const stopped = flow.stop();
    await settle();
    // the stop waits for the store
    const refused = rejection(flow.stream("x", { to: "hang" }).accepted());
    await passing(clock, stopped);
    expect(await within(1_000, refused)).toMatchObject({ code: "FLOW_STOPPED" });
  });

  test("waits for room where the entry node's edge is full", async () => {
    const gate = Promise.withResolvers<void>();
    const work = payloadNode({ name: "work", policy: { concurrency: 1 } }, async (value: number) => {
      await gate.promise;
      return value;
    });
    const flow = tidy(create(work.to(), { queueMaxSize: 1 }).run());
    const streams = [1, 2, 3].map((value) => flow.stream(value));
    const states = streams.map(() => "waiting");
    const accepted = streams.map((stream, index) => stream.accepted().then(() => (states[index] = "accepted")));
    await settle();
    expect(states).toEqual(["accepted", "accepted", "waiting"]);
    gate.resolve();
    await Promise.all(accepted);
    expect(await Promise.all(streams.map(kinds))).toEqual([["result"], ["result"], ["result"]]);
  });

  test("is refused for what the caller did wrong, and begins no trace", async () => {
    const flow = create(answering().to());
    await expect(flow.stream(good).accepted()).rejects.toMatchObject({ code: "FLOW_NOT_RUNNING" });
    tidy(flow.run());
    await expect(flow.stream(good, { timeoutMs: -1 }).accepted()).rejects.toThrow(RangeError);
    await expect(flow.stream(good, { tenant: "a", nonsense: 1 } as never).accepted()).rejects.toThrow('"nonsense"');
    expect(flow.stats().accepted).toBe(0);
  });

  test("must be asked before it is read", async () => {
    const flow = tidy(create(answering().to()).run());
    const stream = flow.stream(good);
    const first = await stream.next();
    expect(first.done).toBe(false);
    await expect(stream.accepted()).rejects.toThrow(
      new TypeError("Cannot await accepted(): the stream has been read or left; call it before the first read"),
    );
    await stream.return();
    const left = flow.stream(good);
    await left.return();
    await expect(left.accepted()).rejects.toThrow(TypeError);
  });

  test("may be asked twice, and begins once", async () => {
    const calls: unknown[] = [];
    const flow = tidy(create(answering(calls).to()).run());
    const stream = flow.stream(good);
    await Promise.all([stream.accepted(), stream.accepted()]);
    await kinds(stream);
    expect(calls).toEqual(["why?"]);
  });
});

describe("nothing is left of a stream", () => {
  test("that is never touched: it has begun nothing", async () => {
    const calls: unknown[] = [];
    const flow = tidy(create(answering(calls).to()).run());
    flow.stream(good);
    await settle();
    expect(calls).toEqual([]);
    expect(flow.stats().accepted).toBe(0);
  });

  test("that was accepted and then left, or went out of scope", async () => {
    const stopped: string[] = [];
    const work = node("work", async (message: Message<string>, ctx) => {
      ctx.signal.addEventListener("abort", () => void stopped.push(message.payload));
      await ctx.sleep(1e6);
    });
    const flow = tidy(create(work.to(), { clock: new TestClock() }).run());
    const stream = flow.stream("left");
    await stream.accepted();
    await stream.return();
    {
      await using scoped = flow.stream("scoped");
      await scoped.accepted();
    }
    expect(stopped).toEqual(["left", "scoped"]);
    expect(leftovers(flow.stats())).toEqual(NOTHING);
  });

  test("that was accepted and is never read, when its signal aborts or its deadline passes", async () => {
    const clock = new TestClock();
    const talk = payloadNode("talk", async (_: string, ctx) => {
      for (;;) await ctx.emitChunk({ text: "on and on" });
    });
    const flow = tidy(create(talk.to(), { clock, streamWindow: 2, graceMs: 1 }).run());
    const left = new AbortController();
    await flow.stream("a", { signal: left.signal }).accepted();
    await flow.stream("b", { timeoutMs: 100 }).accepted();
    expect(flow.stats().traces).toBe(2);
    left.abort();
    await clock.advance(100);
    expect(leftovers(flow.stats())).toEqual(NOTHING);
  });

  test("that was left while it was being accepted", async () => {
    const gate = Promise.withResolvers<boolean>();
    const slow = payloadNode({ name: "slow", input: z.string().refine(() => gate.promise) }, (text) => text);
    const flow = tidy(create(slow.to()).run());
    const stream = flow.stream("x");
    const accepted = rejection(stream.accepted());
    await stream.return();
    gate.resolve(true);
    expect(await accepted).toMatchObject({ code: "WAIT_ABORTED" });
    expect(flow.stats().accepted).toBe(0);
  });
});

test("streamFlow is accepted in the same way", async () => {
  const flow = tidy(create(answering().to()).run());
  await expect(streamFlow(flow, bad).accepted()).rejects.toMatchObject({ code: "INPUT_INVALID" });
  const stream = streamFlow(flow, good);
  await stream.accepted();
  const items: unknown[] = [];
  for await (const item of stream) items.push(typeof item === "number" ? item : item.text);
  expect(items).toEqual(["why?", "", 4]);
});

test("a join at the entry takes a message as it comes", async () => {
  const pair = joinK("pair", 1, { input: shape<number>() });
  const flow = tidy(create(pair.to()).run());
  const stream = flow.stream(7);
  await stream.accepted();
  expect(await kinds(stream)).toEqual(["result"]);
});

describe("in a durable flow", () => {
  test("a stream is accepted when its message is stored, and a refused one leaves nothing behind", async () => {
    const checkpoints = new MemoryCheckpointStore();
    await using flow = create(answering().to(), { name: "lasting", durability: durable({ checkpoints }) });
    flow.run();
    await expect(flow.stream(bad).accepted()).rejects.toMatchObject({ code: "INPUT_INVALID" });
    const stream = flow.stream(good);
    await stream.accepted();
    expect(await kinds(stream)).toEqual(["chunk", "chunk", "result"]);
    expect(await flow.recovery.unfinished()).toEqual([]);
    expect(flow.stats().traces).toBe(0);
  });

  test("what the checkpoint store cannot keep is refused", async () => {
    const any = payloadNode("any", (_: unknown) => 1);
    await using flow = create(any.to(), {
      name: "lasting",
      durability: durable({ checkpoints: new MemoryCheckpointStore() }),
    });
    flow.run();
    await expect(flow.stream(() => {}).accepted()).rejects.toMatchObject({ code: "NOT_SERIALISABLE" });
  });
});

test("a stream that asks for acceptance is told as soon as a full edge has room for its message", async () => {
  const clock = new TestClock();
  const work = payloadNode({ name: "work", policy: { concurrency: 1 } }, async (n: number, ctx) => {
    await ctx.sleep(10);
    return n;
  });
  const flow = running(create(work.to(), { clock, queueMaxSize: 1 }), clock);
  const before = Promise.all([flow.call(1), flow.call(2)]);
  const stream = flow.stream(3);
  const accepted = stream.accepted().then(() => flow.stats().traces);
  expect(await passing(clock, accepted, 10)).toBe(2);
  await passing(clock, Promise.all([before, readAll(stream)]), 30);
});
