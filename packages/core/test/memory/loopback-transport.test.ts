import { describe, expect, test } from "vitest";
import {
  create,
  type FlowError,
  LoopbackTransport,
  type MessageInit,
  Message,
  node,
  payloadNode,
  type RemoteCallRequest,
  type RemoteStreamEvent,
} from "penguiflow";
import { TestClock } from "penguiflow/testing";
import { rejection, tidy, within } from "../fixtures/watched-flow.ts";

const request = (
  skill: string,
  init: MessageInit<unknown>,
  signal = new AbortController().signal,
): RemoteCallRequest => ({
  message: new Message({ traceId: "t", headers: { tenant: "acme" }, ...init }),
  skill,
  agentUrl: "loopback://agent",
  idempotencyKey: "k",
  signal,
});
const agent = () => {
  const clock = new TestClock();
  const words = payloadNode("words", async (text: string, ctx) => {
    for (const word of text.split(" ")) {
      await ctx.emitChunk({ text: word });
      await ctx.sleep(10);
    }
    return text.length;
  });
  const flow = tidy(create(words.to(), { clock }).run());
  return { clock, flow, transport: new LoopbackTransport({ words: flow }) };
};

async function collect(events: AsyncIterable<RemoteStreamEvent>): Promise<RemoteStreamEvent[]> {
  const all: RemoteStreamEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

describe("the loopback transport", () => {
  test("answers a call with the skill's first result, its task and its context", async () => {
    const { clock, transport } = agent();
    const answer = transport.send(request("words", { payload: "a bc" }));
    await clock.advance(100);
    expect(await answer).toEqual({ result: 4, taskId: expect.any(String) as string, contextId: "t" });
    expect(transport.openTasks).toBe(0);
  });

  test("yields its task first, then the text in parts, then the result on the one event that is done", async () => {
    const { clock, transport } = agent();
    const all = collect(transport.stream(request("words", { payload: "a bc" })));
    await clock.advance(100);
    const events = await all;
    const [taskId] = new Set(events.map((event) => event.taskId));
    expect(new Set(events.map((event) => event.taskId)).size).toBe(1);
    expect(events).toEqual([
      { taskId, contextId: "t", done: false },
      { taskId, contextId: "t", text: "a", done: false },
      { taskId, contextId: "t", text: "bc", done: false },
      { taskId, contextId: "t", result: 4, done: true },
    ]);
  });

  test("passes tenant, priority, topic, meta and deadline on", async () => {
    const clock = new TestClock();
    const show = node("show", (message: Message<string>, ctx) => ({
      headers: { ...message.headers },
      meta: message.meta,
      deadlineAt: ctx.deadlineAt,
    }));
    const flow = tidy(create(show.to(), { clock }).run());
    const transport = new LoopbackTransport({ show: flow });
    const deadlineAt = clock.epochNow() + 500;
    const { result } = await transport.send(
      request("show", {
        payload: "x",
        headers: { tenant: "acme", topic: "birds", priority: 2 },
        meta: { lang: "de" },
        deadlineAt,
      }),
    );
    expect(result).toEqual({
      headers: { tenant: "acme", topic: "birds", priority: 2 },
      meta: { lang: "de" },
      deadlineAt,
    });
  });

  test("keeps a first result that is null", async () => {
    const two = payloadNode("two", async (_: string, ctx) => {
      await ctx.emit(null);
      return 5;
    });
    const flow = tidy(create(two.to()).run());
    const transport = new LoopbackTransport({ two: flow });
    expect(await transport.send(request("two", { payload: "x" }))).toMatchObject({ result: null });
  });

  test("rejects with the skill's error", async () => {
    const failing = payloadNode("failing", (_: string): number => {
      throw new Error("boom");
    });
    const transport = new LoopbackTransport({ failing: tidy(create(failing.to()).run()) });
    const error = (await rejection(transport.send(request("failing", { payload: "x" })))) as FlowError;
    expect(error).toMatchObject({ code: "NODE_EXCEPTION" });
    expect(error.unwrap()).toEqual(new Error("boom"));
    expect(transport.openTasks).toBe(0);
  });

  test("ends with the deadline that was passed on", async () => {
    const { clock, transport } = agent();
    const answer = rejection(
      transport.send(request("words", { payload: "a b c d", deadlineAt: clock.epochNow() + 15 })),
    );
    await clock.advance(15);
    expect(await within(1_000, answer)).toMatchObject({ code: "DEADLINE_EXCEEDED" });
  });

  test("names the skills there are when one is asked for that is not", async () => {
    const { transport } = agent();
    for (const skill of ["missing", "toString", "__proto__"]) {
      const error = (await rejection(transport.send(request(skill, { payload: "x" })))) as Error;
      expect(error.message).toMatch(new RegExp(`no skill "${skill}".*"words"`));
    }
    expect(transport.openTasks).toBe(0);
  });

  test("ends the agent's trace when the caller's signal aborts", async () => {
    const { clock, flow, transport } = agent();
    const controller = new AbortController();
    const answer = rejection(transport.send(request("words", { payload: "a b c" }, controller.signal)));
    await clock.advance(5);
    expect(flow.stats().traces).toBe(1);
    controller.abort(new Error("no longer wanted"));
    expect(await within(1_000, answer)).toMatchObject({ code: "TRACE_CANCELLED" });
    expect(transport.openTasks).toBe(0);
  });

  test("takes nothing up when the caller's signal has aborted already", async () => {
    const { flow, transport } = agent();
    const answer = rejection(transport.send(request("words", { payload: "a" }, AbortSignal.abort(new Error("over")))));
    expect(await within(1_000, answer)).toBeInstanceOf(Error);
    expect(flow.stats().traces).toBe(0);
    expect(transport.openTasks).toBe(0);
  });

  test("ends the agent's trace when the task is cancelled; unknown and finished tasks are no error", async () => {
    const { clock, transport } = agent();
    const events = transport.stream(request("words", { payload: "a b c" }));
    const first = await events.next();
    const taskId = (first.value as RemoteStreamEvent).taskId as string;
    const rest = rejection(collect(events));
    await clock.advance(5);
    await transport.cancel({ agentUrl: "x", taskId: "unknown" });
    expect(transport.openTasks).toBe(1);
    await transport.cancel({ agentUrl: "x", taskId });
    expect(await within(1_000, rest)).toMatchObject({ code: "TRACE_CANCELLED" });
    await transport.cancel({ agentUrl: "x", taskId });
    expect(transport.openTasks).toBe(0);
  });

  test("ends the agent's trace when the reader leaves", async () => {
    const { clock, flow, transport } = agent();
    const reading = (async () => {
      for await (const event of transport.stream(request("words", { payload: "a b c" }))) if (event.text === "a") break;
    })();
    await clock.advance(5);
    await within(1_000, reading);
    expect(transport.openTasks).toBe(0);
    await clock.advance(0);
    expect(flow.stats()).toMatchObject({ traces: 0, outcomes: { cancelled: 1 } });
  });

  test("runs calls of one trace id side by side, since each has a task of its own", async () => {
    const { clock, transport } = agent();
    const both = Promise.all([
      transport.send(request("words", { payload: "a" })),
      transport.send(request("words", { payload: "abc" })),
    ]);
    await clock.advance(100);
    const [one, other] = await both;
    expect([one.result, other.result]).toEqual([1, 3]);
    expect(one.taskId).not.toBe(other.taskId);
  });
});
