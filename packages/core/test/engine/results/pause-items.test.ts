import {
  create,
  type FlowOptions,
  formatSseEvent,
  MemoryCheckpointStore,
  payloadNode,
  type PauseTicket,
  type StreamItem,
  streamFlow,
} from "penguiflow";
import { durable } from "penguiflow/durable";
import { settle, TestClock } from "penguiflow/testing";
import { describe, expect, test } from "vitest";
import { CutCheckpoints, HeldCheckpoints } from "../../durable/cut-checkpoint-store.ts";
import { gate, isPending } from "../../fixtures/quiet-flow.ts";
import { logbook, rejection, within } from "../../fixtures/watched-flow.ts";

const start = () => payloadNode("start", (order: string) => order);
const approve = () =>
  payloadNode("approve", async (order: string, ctx) => {
    const by = await ctx.pause<string>({ reason: "Approve?", payload: { order } });
    return `${order} by ${by}`;
  });
/** Asks for two answers at once. */
const measure = () =>
  payloadNode("measure", async (order: string, ctx) => {
    const [size, color] = await Promise.all([
      ctx.pause<string>({ reason: "Size?" }),
      ctx.pause<string>({ reason: "Color?" }),
    ]);
    return `${size} ${color} ${order}`;
  });
/** Takes 400 ms beside a pause. */
const slow = () =>
  payloadNode("slow", async (order: string, ctx) => {
    await ctx.sleep(400);
    return `${order} packed`;
  });

function pair(asking: ReturnType<typeof approve> | ReturnType<typeof measure>) {
  const clock = new TestClock();
  const [first, packing] = [start(), slow()];
  return { clock, flow: create(first.to(asking, packing), { clock }).run() };
}

/** Creates a flow whose handler asks for the color while the answer about the size is checked. */
function checking(options: FlowOptions = {}) {
  const [colors, check] = [gate(), gate()];
  const validate = (value: unknown) => check.passed.then(() => ({ value: String(value) }));
  const choose = payloadNode("choose", async (order: string, ctx) => {
    const [size, color] = await Promise.all([
      ctx.pause({ reason: "Size?", resumeSchema: { "~standard": { version: 1, vendor: "test", validate } } }),
      colors.passed.then(() => ctx.pause<string>({ reason: "Color?" })),
    ]);
    return `${size} ${color} ${order}`;
  });
  const begin = start();
  const flow = create(begin.to(approve(), choose), { graceMs: 5, ...options }).run();
  /** Begins a trace and resolves once the color is asked for. Resolves with the token of the other open question. */
  const asked = async (): Promise<string> => {
    await readAll(flow.stream("tent", { id: "t" }));
    const [open, size] = (await flow.pauses.list()).map(({ token }) => token) as [string, string];
    flow.pauses.resume(size, "big").catch(() => {});
    await settle();
    colors.open();
    await settle();
    return open;
  };
  return { flow, check, asked };
}

const toldOf = (item: StreamItem<unknown> | undefined): unknown =>
  item?.type === "pause" ? `${item.pause.reason} (pause)` : item?.type === "result" ? item.result : item?.chunk.text;

/** Reads a stream to its end; the last entry is the code it failed with. */
async function readAll(items: AsyncIterable<StreamItem<unknown>>): Promise<unknown[]> {
  const all: unknown[] = [];
  try {
    for await (const item of items) all.push(toldOf(item));
  } catch (error) {
    all.push((error as { code?: unknown }).code);
  }
  return all;
}

async function pauseOf(items: AsyncIterator<StreamItem<unknown>, unknown>): Promise<PauseTicket> {
  const { value } = (await within(1_000, items.next())) as { value: StreamItem<unknown> };
  if (value.type !== "pause") throw new Error(value.type);
  return value.pause;
}

describe("a reader of a stream", () => {
  test("hears of a pause while a sibling still works, and can answer it before the sibling is done", async () => {
    const { clock, flow } = pair(approve());
    const stream = flow.stream("tent");
    const pause = await pauseOf(stream);
    expect(clock.now()).toBe(0);
    expect(pause).toMatchObject({ node: "approve", reason: "Approve?", payload: { order: "tent" } });
    expect(await flow.pauses.list()).toEqual([{ ...pause, tenant: "default", traceId: expect.any(String) as string }]);
    void flow.pauses.resume(pause.token, "Maria");
    expect(toldOf((await within(1_000, stream.next())).value as StreamItem<unknown>)).toBe("tent by Maria");
    const rest = readAll(stream);
    await clock.advance(400);
    expect(await rest).toEqual(["tent packed"]);
    await flow.stop();
  });

  test("hears of each pause once, and then that the trace waits", async () => {
    const { clock, flow } = pair(measure());
    const all = readAll(flow.stream("tent"));
    await clock.advance(400);
    expect(await all).toEqual(["Size? (pause)", "Color? (pause)", "tent packed", "TRACE_PAUSED"]);
    await flow.stop();
  });

  test("that comes with an answer hears first of the pauses that are still open, and not again of them", async () => {
    await using flow = create(measure().to()).run();
    expect(await readAll(flow.stream("tent", { traceId: "t" }))).toEqual([
      "Size? (pause)",
      "Color? (pause)",
      "TRACE_PAUSED",
    ]);
    const [size, color] = await flow.pauses.list();
    expect(await readAll(flow.pauses.resumeStream(color?.token ?? "", "red"))).toEqual([
      "Size? (pause)",
      "TRACE_PAUSED",
    ]);
    expect(await readAll(flow.pauses.resumeStream(size?.token ?? "", "big"))).toEqual(["big red tent"]);
  });

  test("hears of a question that an answer leads to", async () => {
    const ask = payloadNode("ask", async (_: number, ctx) => {
      const first = await ctx.pause<string>({ reason: "First?" });
      return `${first} ${await ctx.pause<string>({ reason: "Second?" })}`;
    });
    await using flow = create(ask.to()).run();
    const first = await pauseOf(flow.stream(1));
    await expect.poll(async () => (await flow.pauses.list()).length).toBe(1);
    const answered = flow.pauses.resumeStream(first.token, "a");
    const second = await pauseOf(answered);
    expect(second.reason).toBe("Second?");
    expect(await readAll(flow.pauses.resumeStream(second.token, "b"))).toEqual(["a b"]);
  });

  test("that follows a trace hears first of its open pauses, whether the trace waits or works", async () => {
    await using flow = create(approve().to()).run();
    await readAll(flow.stream("tent", { traceId: "t" }));
    expect(await readAll(await flow.recovery.follow("t"))).toEqual(["Approve? (pause)", "TRACE_PAUSED"]);

    const checkpoints = new MemoryCheckpointStore();
    const process = () => {
      const [first, packing] = [start(), slow()];
      const options = { clock: new TestClock(), durability: durable({ checkpoints }), graceMs: 5 };
      return create(first.to(approve(), packing), options).run();
    };
    const before = process();
    const { token } = await pauseOf(before.stream("tent", { traceId: "t" }));
    await before.stop();
    await using after = process();
    const items = await after.recovery.follow("t");
    expect(await pauseOf(items)).toMatchObject({ token, reason: "Approve?" });
    await items.return();
  });

  test.each(["stream", "follow", "resumeStream"] as const)(
    "that comes while an answer is checked hears once of a question that its handler has asked meanwhile: by %s",
    async (how) => {
      const { flow, check, asked } = checking();
      const open = await asked();
      const items = {
        stream: () => flow.stream("tent", { id: "t" }),
        follow: () => flow.recovery.follow("t"),
        resumeStream: () => flow.pauses.resumeStream(open, "Maria"),
      };
      const all = readAll(await items[how]());
      await settle();
      check.open();
      expect(await all).toEqual([
        how === "resumeStream" ? "tent by Maria" : "Approve? (pause)",
        "Color? (pause)",
        "TRACE_PAUSED",
      ]);
      await flow.stop();
    },
  );

  test("hears of a pause in a playbook, which the handler that called it has", async () => {
    const inner = create(approve().to(), { name: "inner" });
    const [first, packing] = [start(), slow()];
    const call = payloadNode("call", (order: string, ctx) => ctx.callPlaybook(inner, order));
    const clock = new TestClock();
    const flow = create(first.to(call, packing), { clock }).run();
    const stream = flow.stream("tent");
    const pause = await pauseOf(stream);
    expect([clock.now(), pause.node]).toEqual([0, "approve"]);
    void flow.pauses.resume(pause.token, "Maria");
    expect(toldOf((await within(1_000, stream.next())).value as StreamItem<unknown>)).toBe("tent by Maria");
    await stream.return();
    await flow.stop();
  });

  test("of a durable flow is given a pause only when it is stored: its token works after a crash", async () => {
    const checkpoints = new HeldCheckpoints();
    const flow = create(approve().to(), { durability: durable({ checkpoints }), graceMs: 5 }).run();
    await flow.ready();
    checkpoints.hold();
    const stream = flow.stream("tent");
    const item = stream.next();
    expect(await isPending(item)).toBe(true);
    checkpoints.release();
    expect(toldOf((await within(4_000, item)).value as StreamItem<unknown>)).toBe("Approve? (pause)");
    await rejection(stream.next());
    await flow.stop();
  });

  test("without wrappers hears of a pause only at the end: it could not tell a pause from a result", async () => {
    await using flow = create(approve().to()).run();
    const items: unknown[] = [];
    const error = await rejection(
      (async () => {
        for await (const item of streamFlow(flow, "tent")) items.push(item);
      })(),
    );
    expect([items, error]).toMatchObject([[], { code: "TRACE_PAUSED" }]);
  });

  test("hears of no sleep: it waits for no answer", async () => {
    const clock = new TestClock();
    const rest = payloadNode("rest", async (order: string, ctx) => {
      await ctx.sleepUntil(clock.epochNow() + 1_000, { name: "rest" });
      return order;
    });
    const flow = create(rest.to(), { clock }).run();
    const all = readAll(flow.stream("tent"));
    await clock.advance(1_000);
    expect(await all).toEqual(["tent"]);
    await flow.stop();
  });

  test("finds a pause in the window however full it is, and no other reader hears of it", async () => {
    const busy = payloadNode("busy", async (order: string, ctx) => {
      await ctx.emitChunk({ text: order });
      return ctx.pause<string>({ reason: order });
    });
    await using flow = create(busy.to(), { streamWindow: 1 }).run();
    const [one, two] = await Promise.all([readAll(flow.stream("one")), readAll(flow.stream("two"))]);
    expect([one, two]).toEqual([
      ["one", "", "one (pause)", "TRACE_PAUSED"],
      ["two", "", "two (pause)", "TRACE_PAUSED"],
    ]);
  });
});

test("a durable flow lists no question that is not stored: each token works after a crash", async () => {
  const checkpoints = new MemoryCheckpointStore();
  const process = new CutCheckpoints(checkpoints);
  const before = checking({ durability: durable({ checkpoints: process }), logger: logbook() });
  await before.asked();
  const listed = await before.flow.pauses.list();
  process.cut();
  await before.flow.stop();
  expect(listed.map(({ reason }) => reason)).toContain("Approve?");

  const after = checking({ durability: durable({ checkpoints }) });
  for (const { token } of listed) await after.flow.pauses.answer(token, "any");
  await after.flow.stop();
});

describe("formatSseEvent", () => {
  const pause: PauseTicket = {
    id: "i",
    token: "t",
    node: "n",
    path: ["inner"],
    name: "ask",
    reason: "a\nb?",
    payload: { n: 1 },
    expiresAt: undefined,
  };

  test("formats a pause as an event of its own type, without an id", () => {
    expect(formatSseEvent(pause, { retryMs: 5 })).toBe(
      'event: pause\nretry: 5\ndata: {"token":"t","node":"n","path":["inner"],"name":"ask","reason":"a\\nb?","payload":{"n":1}}\n\n',
    );
    expect(formatSseEvent(pause, { event: "question" })).toMatch(/^event: question\n/);
  });

  test("names the path in a payload that is no JSON", () => {
    expect(() => formatSseEvent({ ...pause, payload: { since: [new Date(0)] } })).toThrow(
      expect.objectContaining({
        code: "NOT_SERIALISABLE",
        message: 'Cannot serialise pause "a\nb?": payload.since[0] is an object of class Date; send JSON data',
      }),
    );
  });
});
