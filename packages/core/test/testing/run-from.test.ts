import {
  create,
  joinK,
  MemoryCheckpointStore,
  type Message,
  node,
  payloadNode,
  shape,
  type StreamItem,
  type TraceRecord,
  WM,
} from "penguiflow";
import { durable, readValue, writeValue } from "penguiflow/durable";
import { runFrom, TestClock } from "penguiflow/testing";
import { describe, expect, test } from "vitest";
import { rejection, tidy } from "../fixtures/watched-flow.ts";

/** Reads a stream to its end and returns its results. */
async function resultsOf<Result>(stream: AsyncIterable<StreamItem<Result>>): Promise<Result[]> {
  const results: Result[] = [];
  for await (const item of stream) if (item.type === "result") results.push(item.result);
  return results;
}

/** Creates a flow of three nodes that notes which of them were called, and with what envelope. */
function line() {
  const calls: string[] = [];
  const seen: Message[] = [];
  const first = payloadNode("first", (text: string) => (calls.push("first"), `${text}!`));
  const second = node("second", (message: Message<string>) => {
    calls.push("second");
    seen.push(message);
    return message.with({ payload: message.payload.length });
  });
  const third = payloadNode("third", (length: number) => (calls.push("third"), length * 2));
  return { calls, seen, second, edges: [first.to(second), second.to(third)] as const };
}

describe("a run from a node", () => {
  test("takes the message that the node was given before, and leaves out the nodes before it", async () => {
    const { calls, second, edges } = line();
    const records: TraceRecord[] = [];
    const flow = tidy(create(...edges, { recorder: (record) => void records.push(record) }).run());
    expect(await flow.call("four")).toBe(10);
    const outputs = records.flatMap((record) => (record.type === "committed" ? record.outputs : []));
    const kept = outputs.find(({ node: name }) => name === "second")!.message;
    calls.length = 0;
    expect(await resultsOf(runFrom(flow, second, kept))).toEqual([10]);
    expect(calls).toEqual(["second", "third"]);
    expect(await resultsOf(runFrom(flow, "third", 21))).toEqual([42]);
  });

  test("keeps tenant, principal, priority, topic and meta of the message, in a trace of its own whose time limit begins anew", async () => {
    const clock = new TestClock();
    const { seen, edges } = line();
    const flow = tidy(create(...edges, { clock }).run());
    await flow.call("a", {
      tenant: "acme",
      principal: { user: "ada", scopes: [] },
      priority: 3,
      topic: "t",
      meta: { user: 7 },
      traceId: "one",
      timeoutMs: 500,
    });
    const kept = readValue(writeValue(seen[0], "a message", 10_000)) as Message<string>;
    await clock.advance(60_000);
    await resultsOf(runFrom(flow, "second", kept));
    const [before, after] = seen as [Message, Message];
    expect(after.headers).toEqual(before.headers);
    expect(after.headers.principal).toEqual({ user: "ada", scopes: [] });
    expect(after.meta).toEqual({ user: 7 });
    expect(after.traceId).not.toBe("one");
    expect(after.deadlineAt).toBe(clock.epochNow() + 500);
    await resultsOf(runFrom(flow, "second", after, { traceId: "two", tenant: "other", timeoutMs: 20 }));
    expect(seen[2]).toMatchObject({ traceId: "two", deadlineAt: clock.epochNow() + 20 });
    expect(seen[2]?.headers).toEqual({ ...before.headers, tenant: "other" });
  });

  test("works at a node without room as well, and at one in a ring", async () => {
    const clock = new TestClock();
    const slow = payloadNode({ name: "slow", policy: { concurrency: 1 } }, async (value: number, ctx) => {
      await ctx.sleep(10);
      return value;
    });
    const start = payloadNode("start", (value: number) => value);
    const back = node("back", async (message: Message<number>, ctx) => {
      const { payload } = message;
      if (payload > 2) await ctx.emit(message, { to: "end" });
      else await ctx.emit(message.with({ payload: payload + 1 }), { to: "slow" });
    });
    const end = payloadNode("end", (value: number) => value);
    const edges = [start.to(slow), slow.to(back), back.to(slow, end)] as const;
    const flow = tidy(create(...edges, { clock, queueMaxSize: 1, allowCycles: true }).run());
    const all = [1, 2, 3, 4, 5].map((value) => resultsOf(runFrom(flow, slow, value)));
    for (let step = 0; step < 40; step += 1) await clock.advance(10);
    expect(await Promise.all(all)).toEqual([[3], [3], [3], [4], [5]]);
    expect(flow.stats().edges.find(({ source, target }) => source === "OpenSea" && target === "slow")).toMatchObject({
      size: 0,
      waiting: 0,
    });
  });

  test("gives a join its group as a whole, and fails at one that misses messages", async () => {
    const start = payloadNode("start", (value: number) => value);
    const left = payloadNode("left", (value: number) => value + 1);
    const right = payloadNode("right", (value: number) => value + 2);
    const pair = joinK("pair", 2, { input: shape<number>() });
    const sum = payloadNode("sum", (values: readonly number[]) => values.reduce((total, value) => total + value, 0));
    const flow = tidy(create(start.to(left, right), left.to(pair), right.to(pair), pair.to(sum)).run());
    expect(await flow.call(1)).toBe(5);
    expect(await resultsOf(runFrom(flow, "pair", [10, 20]))).toEqual([30]);
    expect(await rejection(resultsOf(runFrom(flow, "left", 1)))).toMatchObject({
      message: expect.stringContaining('join "pair" has 1 of 2 messages') as string,
    });
  });

  test("goes on with the memory of a controller's round", async () => {
    const begin = payloadNode("begin", (query: string) => new WM({ query }));
    const loop = node({ name: "loop", allowCycle: true }, (message: Message<WM>) => {
      const memory = message.payload;
      return memory.hops < 3 ? memory : `${memory.query} after ${memory.hops}`;
    });
    const flow = tidy(create(begin.to(loop), loop.to(loop)).run());
    expect(await resultsOf(runFrom(flow, loop, new WM({ query: "why", hops: 2 })))).toEqual(
      await flow.call("why").then((text) => [text]),
    );
  });

  test("of a durable flow goes on in the next process", async () => {
    const checkpoints = new MemoryCheckpointStore();
    const ask = payloadNode("ask", (_: number, ctx) => ctx.pause<string>({ reason: "why?" }));
    const build = () =>
      create(payloadNode("start", (value: number) => value).to(ask), { durability: durable({ checkpoints }) });
    const one = build();
    one.run();
    const stream = runFrom(one, "ask", 1, { onLeave: "detach" });
    expect(await stream.next()).toMatchObject({ value: { type: "pause" } });
    await one.stop();
    await using two = build();
    const [ticket] = await two.run().pauses.list();
    expect(await two.pauses.resume(ticket!.token, "because")).toMatchObject({ results: ["because"] });
  });

  test("is refused where the flow has no such node, or does not run, with what it has", async () => {
    const { edges } = line();
    const flow = create(...edges);
    expect(await rejection(resultsOf(runFrom(flow, "first", "x")))).toMatchObject({ code: "FLOW_NOT_RUNNING" });
    tidy(flow.run());
    expect(await rejection(resultsOf(runFrom(flow, "forth", "x")))).toMatchObject({
      code: "ROUTE_UNKNOWN",
      message: expect.stringContaining('its nodes are "first", "second", "third"') as string,
    });
    expect(() => runFrom({} as never, "first", "x")).toThrow("Expected a flow or a run of one: got an object");
    expect(() => runFrom(flow, "first", "x", { id: "1" } as never)).toThrow('Option "id" of runFrom is not allowed');
    expect(await rejection(resultsOf(runFrom(flow, "first", "x", { tenat: "a" } as never)))).toBeInstanceOf(TypeError);
  });
});
