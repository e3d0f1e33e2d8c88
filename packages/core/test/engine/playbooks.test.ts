import { describe, expect, test } from "vitest";
import {
  callPlaybook,
  type Context,
  create,
  FinalAnswer,
  type FlowError,
  flowNode,
  type FlowOptions,
  joinK,
  MemoryMessageBus,
  MemoryStateStore,
  type Message,
  ModelRegistry,
  node,
  type NodePolicy,
  payloadNode,
  shape,
  type StreamChunk,
  WM,
} from "penguiflow";
import { TestClock } from "penguiflow/testing";
import { z } from "zod";
import { leftovers, NOTHING, recorder, rejection, tidy, within } from "../fixtures/watched-flow.ts";

const upper = payloadNode("upper", (text: string) => text.toUpperCase());
const exclaim = payloadNode("exclaim", (text: string) => `${text}!`);
const shout = () => create(upper.to(exclaim), { name: "shout" });

/** Creates a flow with the given function as its only node. */
const parent = <Output>(
  work: (text: string, ctx: Context) => Output,
  options: FlowOptions = {},
  policy: NodePolicy = {},
) => tidy(create(payloadNode({ name: "caller", policy }, work).to(), { name: "parent", ...options }).run());

/** Creates a playbook of one node. */
const playbookOf = <Output>(work: (text: string, ctx: Context) => Output, options: FlowOptions = {}) =>
  create(payloadNode("inner", work).to(), { name: "child", ...options });

const outcomeText = async (call: PromiseLike<unknown>): Promise<string> =>
  call.then(String, (error: unknown) => `${(error as FlowError).code}: ${(error as FlowError).message}`);

describe("a playbook", () => {
  test("may be a flow, a function that makes one, or one that gives a flow and its registry", async () => {
    const registry = new ModelRegistry().register("inner", z.string().trim(), z.string());
    const trimmed = playbookOf((text) => `<${text}>`);
    const flow = shout();
    const withRegistry = (): readonly [typeof trimmed, ModelRegistry] => [trimmed, registry];
    const caller = parent(async (text, ctx) => [
      await ctx.callPlaybook(flow, text),
      await ctx.callPlaybook(shout, text),
      await ctx.callPlaybook(withRegistry, ` ${text} `),
    ]);
    expect(await caller.call("hi")).toEqual(["HI!", "HI!", "<hi>"]);
  });

  test("is called the same through callPlaybook(ctx, …)", async () => {
    const caller = parent((text, ctx) => callPlaybook(ctx, shout, text));
    expect(await caller.call("hi")).toBe("HI!");
  });

  test("gets the message being handled when it is given none", async () => {
    const caller = parent((_, ctx) => ctx.callPlaybook(shout));
    expect(await caller.call("hi")).toBe("HI!");
  });

  test("is built once for 1 000 calls, however many run at once", async () => {
    let built = 0;
    const playbook = () => {
      built += 1;
      return shout();
    };
    const caller = parent((text, ctx) => ctx.callPlaybook(playbook, text));
    const results = await Promise.all(Array.from({ length: 1_000 }, (_, index) => caller.call(`t${index}`)));
    expect(results[999]).toBe("T999!");
    expect(built).toBe(1);
    await caller.stop();
    caller.run();
    expect(await caller.call("again")).toBe("AGAIN!");
    expect(built).toBe(2);
  });

  test("written inline, and so a new one at every call, is refused before such flows pile up", async () => {
    let built = 0;
    const caller = parent((text, ctx) =>
      ctx.callPlaybook(() => {
        built += 1;
        return shout();
      }, text),
    );
    let error: unknown;
    for (let index = 0; index < 200 && error === undefined; index += 1)
      error = await caller.call("a").then(
        () => undefined,
        (failure: unknown) => failure,
      );
    expect(built).toBeLessThanOrEqual(100);
    expect((error as FlowError).message).toMatch(/declare a playbook once, outside of the handler/);
  });

  test("whose definition fails rejects the call, and is built again the next time", async () => {
    let isBroken = true;
    const playbook = () => {
      if (isBroken) throw new Error("no database");
      return shout();
    };
    const caller = parent((text, ctx) => ctx.callPlaybook(playbook, text));
    expect(await rejection(caller.call("a"))).toMatchObject({ code: "NODE_EXCEPTION" });
    isBroken = false;
    expect(await caller.call("a")).toBe("A!");
  });

  test("that is no flow is refused with a clear text", async () => {
    const caller = parent((_, ctx) => outcomeText(ctx.callPlaybook({} as never)));
    expect(await caller.call("a")).toMatch(/must be a flow/);
  });
});

describe("a playbook inherits", () => {
  test("trace id, headers, deadline and meta", async () => {
    const seen = node("seen", (message: Message<string>, ctx) => ({
      traceId: ctx.traceId,
      headers: { ...ctx.headers },
      deadlineAt: ctx.deadlineAt,
      meta: { ...message.meta },
      resources: ctx.resources,
    }));
    const playbook = create(seen.to());
    const clock = new TestClock();
    const caller = tidy(
      create(payloadNode("caller", (text: string, ctx) => ctx.callPlaybook(playbook, text)).to(), { clock }).run({
        resources: { db: 1 },
      }),
    );
    const deadlineAt = clock.epochNow() + 1_000;
    expect(
      await caller.call("x", { traceId: "t", tenant: "acme", topic: "birds", priority: 3, deadlineAt, meta: { a: 1 } }),
    ).toEqual({
      traceId: "t",
      headers: { tenant: "acme", topic: "birds", priority: 3 },
      deadlineAt,
      meta: { a: 1 },
      resources: { db: 1 },
    });
  });

  test("tenant, trace id and deadline even when the handler makes a message of its own", async () => {
    const seen = node("seen", (_: Message<string>, ctx) => [ctx.traceId, ctx.tenant, ctx.deadlineAt]);
    const playbook = create(seen.to());
    const { Message: MessageClass } = await import("penguiflow");
    const caller = parent((_, ctx) =>
      ctx.callPlaybook(
        playbook,
        new MessageClass({ payload: "own", traceId: "other", headers: { tenant: "thief" }, deadlineAt: 9e15 }),
      ),
    );
    expect(await caller.call("x", { traceId: "t", tenant: "acme" })).toEqual(["t", "acme", undefined]);
  });

  test("the deadline, which ends it and the parent at the same instant", async () => {
    const clock = new TestClock();
    const watch = recorder();
    const caller = parent(
      (text, ctx) =>
        ctx.callPlaybook(
          playbookOf((_, inner) => inner.sleep(10_000)),
          text,
        ),
      {
        clock,
        middlewares: [watch.middleware],
      },
    );
    const outcome = caller.outcome("x", { timeoutMs: 100 });
    await clock.advance(100);
    expect(await within(1_000, outcome)).toMatchObject({ status: "exhausted", error: { code: "DEADLINE_EXCEEDED" } });
    expect(clock.now()).toBe(100);
  });

  test("a deadline of its own only when that is sooner", async () => {
    const clock = new TestClock();
    const seen: unknown[] = [];
    const playbook = playbookOf(async (_, ctx) => {
      seen.push(ctx.deadlineAt);
      await ctx.sleep(50);
      return "done";
    });
    const caller = parent(
      async (text, ctx) => {
        seen.push(await outcomeText(ctx.callPlaybook(playbook, text, { timeoutMs: 20 })));
        seen.push(await outcomeText(ctx.callPlaybook(playbook, text, { timeoutMs: 5_000 })));
        return "over";
      },
      { clock },
    );
    const start = clock.epochNow();
    const call = caller.call("x", { timeoutMs: 1_000 });
    await clock.advance(500);
    expect(await within(1_000, call)).toBe("over");
    expect(seen).toEqual([start + 20, expect.stringMatching(/^DEADLINE_EXCEEDED/), start + 1_000, "done"]);
  });

  test("what is left of the budgets of a controller loop", async () => {
    const seen: [number | null, number | null][] = [];
    const inner = node({ name: "inner", allowCycle: true }, (message: Message<WM>) => {
      seen.push([message.payload.budgetHops, message.payload.budgetTokens]);
      return message.payload;
    });
    const playbook = create(inner.to(inner));
    const caller = node("caller", async (message: Message<WM>, ctx) => {
      const error = await rejection(
        ctx.callPlaybook(playbook, new WM({ query: "child", budgetHops: 100, budgetTokens: 1_000 })),
      );
      return `${(error as FlowError).code} with ${message.payload.query}`;
    });
    const flow = tidy(create(caller.to()).run());
    const wm = new WM({ query: "parent", hops: 5, budgetHops: 8, tokensUsed: 40, budgetTokens: 100 });
    expect(await flow.call(wm)).toBe("HOP_BUDGET_EXHAUSTED with parent");
    expect(seen).toEqual([
      [3, 60],
      [3, 60],
      [3, 60],
    ]);
  });

  test("cancellation: its handlers are aborted and cancel waits for them", async () => {
    const clock = new TestClock();
    const reasons: unknown[] = [];
    const playbook = playbookOf(async (_, ctx) => {
      ctx.signal.addEventListener("abort", () => reasons.push(ctx.signal.reason));
      await ctx.sleep(60_000);
    });
    const caller = parent((text, ctx) => ctx.callPlaybook(playbook, text), { clock });
    const outcome = caller.outcome("x", { traceId: "t" });
    await clock.advance(10);
    // the caller and its playbook
    expect(await within(1_000, caller.cancel("t"))).toMatchObject({ found: true, aborted: 2, zombies: 0 });
    expect((await outcome).status).toBe("cancelled");
    await clock.advance(0);
    expect(reasons).toMatchObject([{ name: "TraceCancelled", traceId: "t" }]);
    expect(clock.timers).toBe(0);
  });

  test("the end of an attempt: a node's timeout stops the playbook it called", async () => {
    const clock = new TestClock();
    let aborted = 0;
    const playbook = playbookOf(async (_, ctx) => {
      ctx.signal.addEventListener("abort", () => (aborted += 1));
      await ctx.sleep(60_000);
    });
    const caller = parent((text, ctx) => ctx.callPlaybook(playbook, text), { clock }, { timeoutMs: 50 });
    const outcome = caller.outcome("x");
    await clock.advance(50);
    expect(await within(1_000, outcome)).toMatchObject({ status: "failed", error: { code: "NODE_TIMEOUT" } });
    await clock.advance(0);
    expect(aborted).toBe(1);
  });

  test("the stop of the flow", async () => {
    const clock = new TestClock();
    let reason: unknown;
    const playbook = playbookOf(async (_, ctx) => {
      ctx.signal.addEventListener("abort", () => void (reason = ctx.signal.reason));
      await ctx.sleep(60_000);
    });
    const caller = parent((text, ctx) => ctx.callPlaybook(playbook, text), { clock });
    const outcome = caller.outcome("x");
    await clock.advance(10);
    await within(1_000, caller.stop());
    expect((await outcome).status).toBe("stopped");
    expect(reason).toBeDefined();
    expect(clock.timers).toBe(0);
  });

  test("observers, store and bus, all in the order of occurrence", async () => {
    const watch = recorder();
    const stateStore = new MemoryStateStore();
    const messageBus = new MemoryMessageBus();
    const edges: string[] = [];
    messageBus.subscribe({ tenant: "default" }, (envelope) => edges.push(`${envelope.flow} ${envelope.edge}`));
    const caller = parent((text, ctx) => ctx.callPlaybook(shout, text), {
      middlewares: [watch.middleware],
      stateStore,
      messageBus,
    });
    await caller.call("x", { traceId: "t" });
    await caller.flush();
    const names = (event: { type: string; flow?: string; node?: string }) =>
      `${event.flow} ${event.type}${event.node === undefined ? "" : ` ${event.node}`}`;
    const expected = [
      "parent trace_start",
      "parent node_start caller",
      "parent/shout trace_start",
      "parent/shout node_start upper",
      "parent/shout node_success upper",
      "parent/shout node_start exclaim",
      "parent/shout node_success exclaim",
      "parent/shout trace_end",
      "parent node_success caller",
      "parent trace_end",
    ];
    expect(watch.events.map(names)).toEqual(expected);
    const { events } = await caller.loadHistory("t");
    expect(events.map((event) => names(event.payload as never))).toEqual(expected);
    expect(edges).toEqual([
      "parent OpenSea->caller",
      "parent/shout OpenSea->upper",
      "parent/shout upper->exclaim",
      "parent/shout exclaim->Rookery",
      "parent caller->Rookery",
    ]);
  });

  test("observers that are slow, which still see parent and playbook one event at a time and in order", async () => {
    const seen: string[] = [];
    let running = 0;
    let most = 0;
    const caller = parent(
      async (text, ctx) => {
        const first = await ctx.callPlaybook(shout, text);
        return `${first}${await ctx.callPlaybook(shout, text)}`;
      },
      {
        middlewares: [
          async (event) => {
            running += 1;
            most = Math.max(most, running);
            await new Promise((resolve) => setImmediate(resolve));
            seen.push(`${event.flow} ${event.type}`);
            running -= 1;
          },
        ],
      },
    );
    await caller.call("x");
    await caller.stop();
    expect(most).toBe(1);
    expect(seen.at(0)).toBe("parent trace_start");
    expect(seen.at(-1)).toBe("parent trace_end");
    expect(seen.indexOf("parent/shout trace_end")).toBeLessThan(seen.indexOf("parent node_success"));
  });

  test("observers of the parent without its own being called twice", async () => {
    const watch = recorder();
    const child = create(upper.to(), { name: "child", middlewares: [watch.middleware] });
    const caller = parent((text, ctx) => ctx.callPlaybook(child, text), { middlewares: [watch.middleware] });
    await caller.call("x");
    await caller.stop();
    expect(watch.events.filter((event) => event.flow === "parent/child" && event.type === "node_start")).toHaveLength(
      1,
    );
  });

  test("nothing that would lose its own store when the parent has none", async () => {
    const stateStore = new MemoryStateStore();
    const child = create(upper.to(), { name: "child", stateStore });
    const caller = parent((text, ctx) => ctx.callPlaybook(child, text));
    await caller.call("x", { traceId: "t" });
    await caller.stop();
    expect((await stateStore.loadHistory({ tenant: "default", traceId: "t" })).events.length).toBeGreaterThan(0);
  });

  test("the clock", async () => {
    const clock = new TestClock();
    const caller = parent(
      (text, ctx) =>
        ctx.callPlaybook(
          playbookOf((_, inner) => inner.sleep(500).then(() => 1)),
          text,
        ),
      {
        clock,
      },
    );
    const call = caller.call("x");
    await clock.advance(500);
    expect(await within(1_000, call)).toBe(1);
  });
});

describe("the result of a playbook", () => {
  test("is the first result, not a chunk, and comes when its trace has ended", async () => {
    const many = payloadNode("many", async (text: string, ctx) => {
      await ctx.emitChunk({ text: "chunk" });
      await ctx.emit(`${text}1`);
      await ctx.emit(`${text}2`);
      return `${text}3`;
    });
    const caller = parent((text, ctx) => ctx.callPlaybook(create(many.to()), text));
    expect(await caller.call("r")).toBe("r1");
  });

  test.each<[string, (text: string) => unknown, string, RegExp]>([
    [
      "a failure rejects with the playbook's error",
      () => {
        throw new Error("boom");
      },
      "NODE_EXCEPTION",
      /boom/,
    ],
    ["no result rejects with the diagnosis", () => undefined, "NO_RESULT", /inner/],
  ])("%s", async (_, work, code, text) => {
    const caller = parent(async (input, ctx) => {
      const error = (await rejection(ctx.callPlaybook(playbookOf(work), input))) as FlowError;
      return [error.code, error.message, error.traceId];
    });
    const [gotCode, message, traceId] = await caller.call("x", { traceId: "t" });
    expect(gotCode).toBe(code);
    expect(message).toMatch(text);
    expect(traceId).toBe("t");
  });

  test("when it is not caught fails the parent, its cause down to what user code threw", async () => {
    const boom = new Error("boom");
    const caller = parent((text, ctx) =>
      ctx.callPlaybook(
        playbookOf(() => {
          throw boom;
        }),
        text,
      ),
    );
    const error = (await rejection(caller.call("x"))) as FlowError;
    expect(error).toMatchObject({ code: "NODE_EXCEPTION", node: "caller" });
    expect((error.cause as FlowError).node).toBe("inner");
    expect((error.cause as FlowError).unwrap()).toBe(boom);
    expect(error.message.match(/failed/g)).toHaveLength(2);
  });

  test("is a FinalAnswer when the playbook's loop gave one", async () => {
    const inner = node({ name: "inner", allowCycle: true }, (message: Message<WM>) =>
      message.payload.hops < 2 ? message.payload : new FinalAnswer({ text: `after ${message.payload.hops}` }),
    );
    const playbook = create(inner.to(inner));
    const flow = tidy(
      create(payloadNode("caller", (query: string, ctx) => ctx.callPlaybook(playbook, new WM({ query }))).to()).run(),
    );
    expect((await flow.call("q")).text).toBe("after 2");
  });

  test("keeps an idempotency key apart for each of the parent's calls", async () => {
    const keys = new Set<string>();
    const playbook = playbookOf((_, ctx) => keys.add(ctx.idempotencyKey).size);
    const caller = parent(async (text, ctx) => {
      for (let call = 0; call < 5; call += 1) await ctx.callPlaybook(playbook, text);
      return 1;
    });
    await Promise.all(Array.from({ length: 20 }, () => caller.call("x")));
    expect(keys.size).toBe(100);
  });
});

describe("a retry of the node that calls a playbook", () => {
  test("gives the playbook's handlers, however deep, the idempotency keys they had before", async () => {
    const clock = new TestClock();
    const keys: string[][] = [];
    const deep = playbookOf((_, ctx) => ctx.idempotencyKey);
    const middle = playbookOf(async (text, ctx) => [ctx.idempotencyKey, await ctx.callPlaybook(deep, text)].join());
    const caller = parent(
      async (text, ctx) => {
        keys.push([await ctx.callPlaybook(middle, text), await ctx.callPlaybook(middle, text)].map(String));
        if (ctx.attempt < 3) throw new Error("to be tried again");
        return keys.length;
      },
      { clock },
      { maxRetries: 2, backoffBaseMs: 10, jitter: 0 },
    );
    const calls = [caller.call("x"), caller.call("x")];
    await clock.advance(100);
    await Promise.all(calls);
    expect(keys).toHaveLength(6);
    // two calls of two traces; each attempt repeats the keys of the previous one
    expect(new Set(keys.flat()).size).toBe(4);
    expect(new Set(keys.map((each) => each.join(" "))).size).toBe(2);
    expect(new Set(keys.flat().flatMap((each) => each.split(","))).size).toBe(8);
  });

  test("calls it again, although a handler of the first call has not returned yet", async () => {
    const clock = new TestClock();
    let calls = 0;
    const playbook = playbookOf(async () => {
      calls += 1;
      // ignores its signal for a while
      await new Promise<void>((resolve) => clock.setTimer(resolve, calls === 1 ? 300 : 10));
      return "done";
    });
    const caller = parent(
      (text, ctx) => ctx.callPlaybook(playbook, text),
      { clock },
      { timeoutMs: 100, maxRetries: 1, backoffBaseMs: 10, jitter: 0 },
    );
    const outcome = caller.outcome("x");
    await clock.advance(400);
    expect(await within(1_000, outcome)).toMatchObject({ status: "completed", result: "done" });
    expect(calls).toBe(2);
  });

  test("does not disturb another call of the same trace to the same playbook", async () => {
    const clock = new TestClock();
    const playbook = playbookOf(async (text, ctx) => {
      if (text === "stuck") await new Promise<void>((resolve) => clock.setTimer(resolve, 300));
      else await ctx.sleep(10);
      return text;
    });
    const caller = parent(
      async (text, ctx) => {
        const stuck = outcomeText(ctx.callPlaybook(playbook, "stuck", { timeoutMs: 50 }));
        await ctx.sleep(60);
        return [(await stuck).split(":")[0], await outcomeText(ctx.callPlaybook(playbook, text))];
      },
      { clock },
    );
    const call = caller.call("fine");
    await clock.advance(500);
    expect(await within(1_000, call)).toEqual(["DEADLINE_EXCEEDED", "fine"]);
  });
});

describe("the chunks of a playbook", () => {
  const texts = (chunks: readonly StreamChunk[]) => chunks.map((chunk) => (chunk.done ? `[${chunk.end}]` : chunk.text));
  async function chunksOf(stream: AsyncIterable<{ type: string; chunk?: StreamChunk }>): Promise<StreamChunk[]> {
    const chunks: StreamChunk[] = [];
    for await (const item of stream) if (item.chunk !== undefined) chunks.push(item.chunk);
    return chunks;
  }
  const wellFormed = (chunks: readonly StreamChunk[]) => {
    const runs = Map.groupBy(chunks, (chunk) => `${chunk.streamId}.${chunk.run}`);
    for (const [id, run] of runs) {
      expect([id, run.map((chunk) => chunk.seq)]).toEqual([id, run.map((_, index) => index)]);
      expect([id, run.map((chunk) => chunk.done)]).toEqual([id, run.map((_, index) => index === run.length - 1)]);
    }
    return runs.size;
  };

  test("join the stream of the parent's trace, well formed, beside the parent's own", async () => {
    const playbook = playbookOf(async (text, ctx) => {
      for (const letter of text) await ctx.emitChunk({ text: letter, meta: { from: "child" } });
      return text;
    });
    const caller = parent(async (text, ctx) => {
      await ctx.emitChunk({ text: "before" });
      await ctx.callPlaybook(playbook, text);
      await ctx.emitChunk({ text: "after" });
      return 1;
    });
    const chunks = await chunksOf(caller.stream("ab", { traceId: "t", tenant: "acme" }));
    expect(texts(chunks)).toEqual(["before", "a", "b", "[done]", "after", "[done]"]);
    expect(wellFormed(chunks)).toBe(2);
    expect(chunks[1]).toMatchObject({ traceId: "t", tenant: "acme", meta: { from: "child" }, node: "caller/inner" });
    expect(new Set(chunks.map((chunk) => chunk.streamId)).size).toBe(2);
  });

  test("wait for the parent's reader and lose or double nothing, two writers at once", async () => {
    const write = (name: string) =>
      payloadNode(name, async (many: number, ctx) => {
        for (let chunk = 0; chunk < many; chunk += 1) await ctx.emitChunk({ text: `${name}${chunk}` });
      });
    const split = payloadNode("split", (many: number) => many);
    const [left, right] = [write("left"), write("right")];
    const end = payloadNode("end", () => "done");
    const playbook = create(split.to(left, right, end), { streamWindow: 1 });
    const caller = tidy(
      create(payloadNode("caller", (many: number, ctx) => ctx.callPlaybook(playbook, many)).to(), {
        streamWindow: 1,
      }).run(),
    );
    const chunks: StreamChunk[] = [];
    for await (const item of caller.stream(5)) {
      await new Promise((resolve) => setImmediate(resolve));
      if (item.type === "chunk") chunks.push(item.chunk);
    }
    expect(wellFormed(chunks)).toBe(2);
    for (const name of ["left", "right"]) {
      expect(chunks.filter((chunk) => chunk.text.startsWith(name)).map((chunk) => chunk.text)).toEqual(
        [0, 1, 2, 3, 4].map((index) => `${name}${index}`),
      );
    }
  });

  test("keep their numbers when one writer ends while another waits for the reader", async () => {
    const clock = new TestClock();
    const slow = payloadNode("slow", async (_: number, ctx) => {
      await ctx.emitChunk({ text: "s0" });
      await ctx.emitChunk({ text: "s1" });
      await ctx.emitChunk({ text: "s2" });
    });
    const brief = payloadNode("brief", async (_: number, ctx) => {
      await ctx.emitChunk({ text: "b0" });
      await ctx.sleep(10);
      return "done";
    });
    const split = payloadNode("split", (many: number) => many);
    const playbook = create(split.to(brief, slow));
    const caller = tidy(
      create(payloadNode("caller", (many: number, ctx) => ctx.callPlaybook(playbook, many)).to(), {
        streamWindow: 2,
        clock,
      }).run(),
    );
    const reader = caller.stream(1)[Symbol.asyncIterator]();
    const chunks: StreamChunk[] = [];
    const first = reader.next();
    await clock.advance(20);
    for (let step = await first; step.done !== true; step = await within(1_000, reader.next(), "the reader"))
      if (step.value.type === "chunk") chunks.push(step.value.chunk);
    expect(wellFormed(chunks)).toBe(2);
    expect(texts(chunks).filter((text) => text.startsWith("s"))).toEqual(["s0", "s1", "s2"]);
  });

  test("of an attempt that is retried inside the playbook close with retry", async () => {
    const clock = new TestClock();
    const inner = payloadNode(
      { name: "inner", policy: { maxRetries: 1, backoffBaseMs: 10, jitter: 0 } },
      async (text: string, ctx) => {
        await ctx.emitChunk({ text: `try${ctx.attempt}` });
        if (ctx.attempt === 1) throw new Error("again");
        return text;
      },
    );
    const playbook = create(inner.to());
    const caller = parent((text, ctx) => ctx.callPlaybook(playbook, text), { clock });
    const chunks = chunksOf(caller.stream("x"));
    await clock.advance(10);
    expect(texts(await within(1_000, chunks))).toEqual(["try1", "[retry]", "try2", "[done]"]);
    expect(wellFormed(await chunks)).toBe(2);
  });

  test("of a playbook that fails close with error, of one that is cancelled with cancelled", async () => {
    const failing = playbookOf(async (text, ctx) => {
      await ctx.emitChunk({ text });
      throw new Error("boom");
    });
    const caller = parent(async (text, ctx) => outcomeText(ctx.callPlaybook(failing, text)));
    const chunks = await chunksOf(caller.stream("x"));
    expect(texts(chunks)).toEqual(["x", "[error]"]);
  });
});

describe("stats and nesting", () => {
  test("a playbook's tables are empty when its calls have ended, as its events say", async () => {
    const watch = recorder();
    const caller = parent((text, ctx) => ctx.callPlaybook(shout, text), { middlewares: [watch.middleware] });
    await Promise.all(Array.from({ length: 50 }, () => caller.call("x")));
    await caller.stop();
    expect(watch.of("trace_start").filter((event) => event.flow === "parent/shout")).toHaveLength(50);
    expect(watch.of("trace_end").filter((event) => event.flow === "parent/shout")).toHaveLength(50);
  });

  test("playbooks call playbooks, and the innermost failure comes up through all of them", async () => {
    const inmost = playbookOf(
      (text) => {
        if (text === "bad") throw new Error("deep");
        return `${text}.`;
      },
      { name: "c" },
    );
    const middle = playbookOf((text, ctx) => ctx.callPlaybook(inmost, text), { name: "b" });
    const watch = recorder();
    const caller = parent((text, ctx) => ctx.callPlaybook(middle, text), { middlewares: [watch.middleware] });
    expect(await caller.call("ok")).toBe("ok.");
    const error = (await rejection(caller.call("bad"))) as FlowError;
    expect(((error.unwrap() as FlowError).unwrap() as FlowError).unwrap()).toEqual(new Error("deep"));
    await caller.stop();
    expect(new Set(watch.events.map((event) => event.flow))).toEqual(new Set(["parent", "parent/b", "parent/b/c"]));
  });

  test("a playbook that is running by itself as well is two flows that do not meet", async () => {
    const playbook = tidy(shout().run());
    const caller = parent((text, ctx) => ctx.callPlaybook(playbook, text));
    const [own, called] = await Promise.all([playbook.call("a"), caller.call("b")]);
    expect([own, called]).toEqual(["A!", "B!"]);
    expect(playbook.stats().accepted).toBe(1);
    await caller.stop();
    expect(await playbook.call("c")).toBe("C!");
  });

  test("a hundred traces through a playbook with one slot all come back", async () => {
    const one = payloadNode({ name: "one", policy: { concurrency: 1 } }, async (text: string) => text);
    const playbook = create(one.to(), { queueMaxSize: 1 });
    const caller = parent((text, ctx) => ctx.callPlaybook(playbook, text));
    const calls = Array.from({ length: 300 }, (_, index) => caller.call(String(index)));
    expect(await within(3_000, Promise.all(calls))).toEqual(calls.map((_, index) => String(index)));
  });
});

describe("a playbook and the end of what called it", () => {
  test("is called for the first time while the flow drains, since accepted work may finish", async () => {
    const clock = new TestClock();
    const caller = parent(
      async (text, ctx) => {
        await ctx.sleep(50);
        return ctx.callPlaybook(shout, text);
      },
      { clock },
    );
    const call = outcomeText(caller.call("x"));
    await clock.advance(10);
    const stopped = caller.stop({ drainMs: 1_000 });
    await clock.advance(100);
    expect(await within(1_000, call)).toBe("X!");
    expect(await within(1_000, stopped)).toMatchObject({ completed: 1, cancelled: 0, abandoned: 0 });
  });

  test("calls itself as deep as its input says", async () => {
    const down = payloadNode("down", async (depth: number, ctx): Promise<number> =>
      depth === 0 ? 0 : 1 + (await ctx.callPlaybook<number, number>(self, depth - 1)),
    );
    const self = create(down.to(), { name: "self" });
    const flow = tidy(create(payloadNode("caller", (depth: number, ctx) => ctx.callPlaybook(self, depth)).to()).run());
    expect(await within(3_000, flow.call(20))).toBe(20);
  });

  test("is stopped when its caller returned without waiting for it, and that breaks nothing", async () => {
    const clock = new TestClock();
    const unhandled: unknown[] = [];
    const note = (reason: unknown): void => void unhandled.push(reason);
    process.on("unhandledRejection", note);
    try {
      let aborted = 0;
      const slow = playbookOf(async (_, ctx) => {
        ctx.signal.addEventListener("abort", () => void (aborted += 1));
        await ctx.sleep(10_000);
      });
      const caller = parent(
        (text, ctx) => {
          void ctx.callPlaybook(slow, text);
          return "gone";
        },
        { clock },
      );
      expect(await caller.call("x")).toBe("gone");
      await clock.advance(10);
      expect(aborted).toBe(1);
      await clock.advance(0);
      expect(clock.timers).toBe(0);
      expect(unhandled).toEqual([]);
    } finally {
      process.off("unhandledRejection", note);
    }
  });

  test("that will not stop is counted and waited for by cancel", async () => {
    const clock = new TestClock();
    const deaf = playbookOf(async () => {
      await new Promise<void>((resolve) => clock.setTimer(resolve, 5_000));
    });
    const caller = parent((text, ctx) => ctx.callPlaybook(deaf, text), { clock, graceMs: 100 });
    const outcome = caller.outcome("x", { traceId: "t" });
    await clock.advance(10);
    const report = caller.cancel("t");
    await clock.advance(2_000);
    expect(await within(1_000, report)).toMatchObject({ found: true, zombies: 1 });
    expect((await outcome).status).toBe("cancelled");
    await clock.advance(5_000);
  });

  test("that will not stop does not delay stop for longer than the grace period", async () => {
    const clock = new TestClock();
    const deaf = playbookOf(async () => {
      await new Promise<void>((resolve) => clock.setTimer(resolve, 60_000));
    });
    const caller = parent((text, ctx) => ctx.callPlaybook(deaf, text), { clock, graceMs: 100 });
    const outcome = caller.outcome("x");
    await clock.advance(10);
    const stopped = caller.stop();
    await clock.advance(2_500);
    expect(await within(1_000, stopped)).toMatchObject({ cancelled: 1, abandoned: 1 });
    expect((await outcome).status).toBe("stopped");
  });
});

describe("flowNode", () => {
  test("makes a flow one node of another: envelope in, first result out, meta of the parent kept", async () => {
    const show = node("show", (message: Message<string>) => ({ payload: message.payload, meta: message.meta }));
    const flow = tidy(create(flowNode("shout", shout()).to(show)).run());
    expect(await flow.call("hi", { meta: { a: 1 } })).toEqual({ payload: "HI!", meta: { a: 1 } });
  });

  test("retries the whole flow with the node's policy", async () => {
    const clock = new TestClock();
    let calls = 0;
    const flaky = playbookOf((text) => {
      calls += 1;
      if (calls < 3) throw new Error("busy");
      return text;
    });
    const retrying = flowNode("sub", flaky, { policy: { maxRetries: 2, backoffBaseMs: 10, jitter: 0 } });
    const flow = tidy(create(retrying.to(), { clock }).run());
    const call = flow.call("x");
    await clock.advance(30);
    expect(await within(1_000, call)).toBe("x");
    expect(calls).toBe(3);
  });

  test("may be used twice in one graph, beside joins", async () => {
    const source = payloadNode("source", (text: string) => text);
    const playbook = shout();
    const [one, two] = [flowNode("one", playbook), flowNode("two", playbook)];
    const join = joinK("join", 2, { input: shape<string>() });
    const flow = tidy(create(source.to(one, two), one.to(join), two.to(join)).run());
    expect(await flow.call("a")).toEqual(["A!", "A!"]);
    expect(leftovers(flow.stats())).toEqual(NOTHING);
  });

  test("shows the graph inside", () => {
    const sub = flowNode("sub", shout());
    expect(sub.kind).toBe("subflow");
    expect(sub.inner).toBeDefined();
  });
});
