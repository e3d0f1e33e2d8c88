import { describe, expect, test } from "vitest";
import { create, limiter, type Limiter, type Message, node, payloadNode } from "penguiflow";
import { settle, TestClock } from "penguiflow/testing";
import { passing, range, running } from "../fixtures/quiet-flow.ts";

/** Creates a node that works 10 ms on each message and counts the handlers active at once. */
function worker(name: string, shared: Limiter, active: { now: number; most: number }, log: string[] = []) {
  return payloadNode({ name, policy: { limiter: shared } }, async (payload: number, ctx) => {
    active.most = Math.max(active.most, (active.now += 1));
    log.push(ctx.tenant);
    try {
      await ctx.sleep(10);
      return payload;
    } finally {
      active.now -= 1;
    }
  });
}

const idle = { running: 0, waiting: 0, keys: 0 };

describe("a limiter", () => {
  test("bounds the handlers of several nodes and flows together", async () => {
    const clock = new TestClock();
    const active = { now: 0, most: 0 };
    const shared = limiter({ concurrency: 3 });
    const first = worker("first", shared, active);
    const flows = [
      running(create(first.to(worker("second", shared, active)), { clock }), clock),
      running(create(worker("other", shared, active).to(), { clock }), clock),
    ];
    const calls = flows.flatMap((flow) => range(12).map((payload) => flow.call(payload)));
    await clock.advance(5);
    expect(flows[0]?.stats().limiters).toEqual([
      { nodes: ["first", "second"], concurrency: 3, running: 3, waiting: 21, keys: 1 },
    ]);
    expect(flows.flatMap((flow) => flow.stats().nodes.map((stats) => stats.running))).toEqual([3, 0, 0]);
    await passing(clock, Promise.all(calls), 200);
    expect(active.most).toBe(3);
    for (const flow of flows) expect(flow.stats().limiters[0]).toMatchObject(idle);
  });

  test("lets no message hold a slot while it waits, so that messages under other keys pass", async () => {
    const clock = new TestClock();
    const order: string[] = [];
    const byModel = limiter({ concurrency: 1, by: ({ payload }: Message) => payload as string });
    const model = payloadNode(
      { name: "model", policy: { concurrency: 2, limiter: byModel } },
      async (key: string, ctx) => {
        order.push(key);
        await ctx.sleep(10);
        return key;
      },
    );
    const flow = running(create(model.to(), { clock, queueMaxSize: 1 }), clock);
    const calls = ["slow", "slow", "slow", "quick"].map((key) => flow.call(key));
    await clock.advance(1);
    expect(order).toEqual(["slow", "quick"]);
    expect(flow.stats().nodes[0]).toMatchObject({ running: 2, limited: 2, queued: 2 });
    await passing(clock, Promise.all(calls), 100);
    expect(flow.stats().limiters[0]).toMatchObject(idle);
  });

  test("keeps no key of which nothing is left", async () => {
    const clock = new TestClock();
    const byUser = limiter({ concurrency: 1, by: ({ payload }) => String(payload) });
    const flow = running(
      create(payloadNode({ name: "n", policy: { limiter: byUser } }, (n: number) => n).to(), { clock }),
      clock,
    );
    for (const user of range(200)) await flow.call(user);
    expect(flow.stats().limiters[0]).toMatchObject(idle);
  });

  test("gives tenants their turns", async () => {
    const clock = new TestClock();
    const log: string[] = [];
    const flow = running(
      create(worker("model", limiter({ concurrency: 1 }), { now: 0, most: 0 }, log).to(), { clock, queueMaxSize: 2 }),
      clock,
    );
    const flood = range(100).map((payload) => flow.call(payload, { tenant: "flood" }));
    await settle();
    const few = range(3).map((payload) => flow.call(payload, { tenant: "few" }));
    await clock.advance(75);
    expect(log.filter((tenant) => tenant === "few")).toHaveLength(3);
    await passing(clock, Promise.all([...flood, ...few]), 1100);
  });

  test("keeps the order of a trace at a node", async () => {
    const clock = new TestClock();
    const seen: number[] = [];
    const shared = limiter({ concurrency: 2 });
    const source = node("source", async (message: Message<number>, ctx) => {
      for (const index of range(message.payload)) await ctx.emit(index);
    });
    const target = payloadNode({ name: "target", policy: { limiter: shared } }, async (index: number, ctx) => {
      seen.push(index);
      await ctx.sleep((index * 7) % 5);
      return index;
    });
    const flow = running(create(source.to(target), { clock, queueMaxSize: 2 }), clock);
    const outcome = flow.outcome(20);
    await passing(clock, outcome, 200);
    expect(seen).toEqual(range(20));
  });

  test.each(["cancel", "signal", "deadline", "stop"] as const)("ends a wait with %s", async (how) => {
    const clock = new TestClock();
    const shared = limiter({ concurrency: 1 });
    const active = { now: 0, most: 0 };
    const holder = running(create(worker("holder", shared, active).to(), { clock }), clock);
    const flow = running(create(worker("waiter", shared, active).to(), { clock }), clock);
    const held = holder.call(1);
    await settle();
    const controller = new AbortController();
    const outcome = flow.outcome(2, {
      traceId: "t",
      signal: controller.signal,
      ...(how === "deadline" ? { timeoutMs: 3 } : {}),
    });
    await settle();
    expect(flow.stats().nodes[0]).toMatchObject({ running: 0, limited: 1 });
    if (how === "cancel") await flow.cancel("t");
    if (how === "signal") controller.abort();
    if (how === "deadline") await clock.advance(4);
    if (how === "stop") await flow.stop();
    const expected = { cancel: "cancelled", signal: "cancelled", deadline: "exhausted", stop: "stopped" }[how];
    expect((await outcome).status).toBe(expected);
    expect(holder.stats().limiters[0]).toMatchObject({ running: 1, waiting: 0 });
    await passing(clock, held, 20);
    expect(holder.stats().limiters[0]).toMatchObject(idle);
  });

  test("passes its permit over the head of a waiting message whose trace is cancelled", async () => {
    const clock = new TestClock();
    const flow = running(create(worker("n", limiter({ concurrency: 1 }), { now: 0, most: 0 }).to(), { clock }), clock);
    const first = flow.call(1);
    const second = flow.outcome(2, { traceId: "second" });
    const third = flow.call(3);
    await clock.advance(1);
    await flow.cancel("second");
    expect((await second).status).toBe("cancelled");
    await passing(clock, Promise.all([first, third]), 50);
    expect(flow.stats().limiters[0]).toMatchObject(idle);
  });

  test("shared by both ends of a full edge does not deadlock", async () => {
    const clock = new TestClock();
    const shared = limiter({ concurrency: 1 });
    const policy = { limiter: shared, concurrency: 1 };
    const first = node({ name: "first", policy }, async (message: Message<number>, ctx) => {
      for (const index of range(5)) await ctx.emit(index);
      return message.payload;
    });
    const second = payloadNode({ name: "second", policy }, async (index: number, ctx) => {
      await ctx.sleep(1);
      return index;
    });
    const third = payloadNode({ name: "third", policy }, (index: number) => index);
    const flow = running(create(first.to(second), second.to(third), { clock, queueMaxSize: 1 }), clock);
    const outcomes = Promise.all(range(5).map((index) => flow.outcome(index)));
    await passing(clock, outcomes, 200);
    for (const { status, results } of await outcomes) {
      expect(status).toBe("completed");
      expect(results).toHaveLength(6);
    }
    expect(flow.stats().limiters[0]).toMatchObject(idle);
  });

  test("counts no handler that waits for a playbook under the same limiter", async () => {
    const clock = new TestClock();
    const shared = limiter({ concurrency: 1 });
    const inner = create(worker("inner", shared, { now: 0, most: 0 }).to());
    const outer = node({ name: "outer", policy: { limiter: shared } }, (message: Message<number>, ctx) =>
      ctx.callPlaybook(inner, message),
    );
    const flow = running(create(outer.to(), { clock }), clock);
    const calls = Promise.all(range(4).map((index) => flow.call(index)));
    await passing(clock, calls, 100);
    expect(await calls).toEqual(range(4));
  });

  test("counts a handler that has timed out until it returns", async () => {
    const clock = new TestClock();
    const shared = limiter({ concurrency: 1 });
    const started: number[] = [];
    const stubborn = payloadNode({ name: "stubborn", policy: { limiter: shared, timeoutMs: 5 } }, async (n: number) => {
      started.push(n);
      await new Promise<void>((resolve) => clock.setTimer(resolve, 50));
      return n;
    });
    const flow = running(create(stubborn.to(), { clock }), clock);
    const first = flow.outcome(1);
    const second = flow.outcome(2);
    await clock.advance(20);
    expect((await first).status).toBe("failed");
    expect(started).toEqual([1]);
    await clock.advance(35);
    expect(started).toEqual([1, 2]);
    await passing(clock, second, 100);
    await clock.advance(60);
    expect(flow.stats().limiters[0]).toMatchObject(idle);
  });

  test("fails the trace whose key is not a string, and no other", async () => {
    const clock = new TestClock();
    const odd = limiter({ concurrency: 1, by: ({ payload }: Message) => (payload as { user: string }).user });
    const n = payloadNode({ name: "n", policy: { limiter: odd } }, (payload: { user?: string }) => payload.user ?? "");
    const flow = running(create(n.to(), { clock }), clock);
    await expect(flow.call({})).rejects.toThrow('"by" of its limiter must return a string: got undefined');
    expect(await flow.call({ user: "ada" })).toBe("ada");
    expect(flow.stats()).toMatchObject({ traces: 0, limiters: [idle] });
  });

  test("refuses wrong options by name", () => {
    expect(() => limiter({ concurrency: 0 })).toThrow(/"concurrency" must be .*got 0/);
    expect(() => limiter({ concurrency: 1, per: 1 } as never)).toThrow(/"per"/);
    expect(() =>
      payloadNode({ name: "n", policy: { limiter: { concurrency: 1 } as never } }, (n: number) => n),
    ).toThrow(/"limiter" of node "n" must be made by limiter\(\)/);
  });
});
