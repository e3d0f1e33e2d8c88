import { describe, expect, test } from "vitest";
import {
  create,
  FinalAnswer,
  MemoryCheckpointStore,
  type FlowError,
  type CheckpointStore,
  joinK,
  type Message,
  node,
  payloadNode,
  predicateRouter,
  shape,
  WM,
} from "penguiflow";
import { durable } from "penguiflow/durable";
import { TestClock } from "penguiflow/testing";
import { passing, range } from "../fixtures/quiet-flow.ts";
import { logbook } from "../fixtures/watched-flow.ts";
import {
  contentsOf,
  CutCheckpoints,
  expectAlikeHoweverCut,
  type Scenario,
  type World,
} from "./cut-checkpoint-store.ts";

const traces = (count: number, input: (index: number) => unknown = (index) => index): Scenario["inputs"] =>
  Array.from({ length: count }, (_, index) => ({ traceId: `t${index}`, input: input(index) }));

/** Creates a node that takes a while, so that a batch lies between it and the next. */
const step = <Name extends string>(name: Name, by = 1, sleepMs = 12) =>
  payloadNode(name, async (n: number, ctx) => {
    await ctx.sleep(sleepMs);
    return n + by;
  });

const sum = payloadNode("sum", (parts: readonly number[]) => parts.reduce((a, b) => a + b, 0));

const options = ({ clock, durability, logger }: World) => ({ clock, durability, logger, graceMs: 5 });

/** Erases the types of a flow, which are irrelevant to its cuts. */
const made = (flow: unknown) => flow as ReturnType<Scenario["make"]>;

const scenarios: Record<string, Scenario> = {
  "a chain": {
    make: (world) => {
      const [a, b, c] = [step("a"), step("b", 10), step("c", 100)];
      return made(create(a.to(b), b.to(c), options(world)));
    },
    inputs: traces(3),
  },
  "a chain with one slot and one place for each node": {
    make: (world) => {
      const slow = <Name extends string>(name: Name) =>
        payloadNode({ name, policy: { concurrency: 1 } }, async (n: number, ctx) => {
          await ctx.sleep(7);
          return n + 1;
        });
      const [a, b] = [slow("a"), slow("b")];
      return made(create(a.to(b), { ...options(world), queueMaxSize: 1 }));
    },
    inputs: traces(5),
  },
  "a loop that logs each round and ends with its log": {
    make: (world) => {
      const think = node({ name: "think", allowCycle: true }, async (message: Message<WM>, ctx) => {
        const { hops } = message.payload;
        const length = await ctx.log.append([`round ${hops}`]);
        await ctx.sleep(12);
        if (hops < 4) return message.payload.with({ facts: [length] });
        return message.with({ payload: (await ctx.log.read()) as never });
      });
      return made(create(think.to(think), options(world)));
    },
    inputs: traces(2, (index) => new WM({ query: `q${index}` })),
  },
  "branches that log beside one another, with retries and a pause": {
    make: (world) => {
      const split = step("split");
      const left = payloadNode(
        { name: "left", policy: { maxRetries: 1, backoffBaseMs: 12 } },
        async (n: number, ctx) => {
          await ctx.log.append([`left ${n}, attempt ${ctx.attempt}`]);
          await ctx.sleep(12);
          if (ctx.attempt === 1) throw new Error("again");
          return n;
        },
      );
      const right = payloadNode("right", async (n: number, ctx) => {
        await ctx.log.append([`right ${n}`]);
        await ctx.sleep(25, { name: "nap" });
        return n;
      });
      const both = joinK("both", 2, { input: shape<number>() });
      const told = payloadNode("told", async (_: readonly number[], ctx) => (await ctx.log.read<string>()).toSorted());
      return made(create(split.to(left, right), left.to(both), right.to(both), both.to(told), options(world)));
    },
    inputs: traces(2),
  },
  "effects that last as long as their message": {
    make: (world) => {
      const each = node({ name: "each", allowCycle: true }, async (message: Message<WM>, ctx) => {
        const { hops, facts } = message.payload;
        const value = await ctx.once(
          "write",
          async () => {
            await ctx.sleep(5);
            return hops;
          },
          { keep: "message", ifUnknown: "run" },
        );
        await ctx.sleep(12);
        if (hops < 3) return message.payload.with({ facts: [...facts, value] });
        return message.with({ payload: [...facts, value] as never });
      });
      return made(create(each.to(each), options(world)));
    },
    inputs: traces(1, () => new WM({ query: "q" })),
  },
  "a fan-out with its join": {
    make: (world) => {
      const [split, left, right] = [step("split"), step("left", 10, 5), step("right", 100, 25)];
      const both = joinK("both", 2, { input: shape<number>() });
      return made(create(split.to(left, right), left.to(both), right.to(both), both.to(sum), options(world)));
    },
    inputs: traces(2),
  },
  "a join that is sent on short when its time has passed": {
    make: (world) => {
      const scatter = payloadNode("scatter", async (n: number, ctx) => {
        for (let index = 0; index < 3; index += 1) {
          await ctx.emit(n + index);
          await ctx.sleep(10);
        }
      });
      const late = joinK("late", 4, { input: shape<number>(), whenShort: "emit", timeoutMs: 100 });
      return made(create(scatter.to(late), late.to(sum), options(world)));
    },
    inputs: traces(2),
  },
  "a join that stays short and fails when its time has passed": {
    make: (world) => {
      const few = joinK("few", 3, { input: shape<number>(), timeoutMs: 60 });
      return made(create(step("a").to(few), few.to(sum), options(world)));
    },
    inputs: traces(2),
  },
  "emits half sent when cut": {
    make: (world) => {
      const scatter = payloadNode("scatter", async (n: number, ctx) => {
        for (let index = 0; index < 4; index += 1) {
          await ctx.emit(n * 100 + index);
          await ctx.sleep(12);
        }
        return n * 100 + 99;
      });
      return made(create(scatter.to(step("each", 0, 3)), options(world)));
    },
    inputs: traces(2),
  },
  "emits half sent to edges without room": {
    make: (world) => {
      const scatter = payloadNode("scatter", async (n: number, ctx) => {
        const sent = [0, 1, 2, 3, 4, 5].map((index) => ctx.emit(n * 100 + index));
        await Promise.all(sent);
        return n * 100 + 99;
      });
      const each = payloadNode({ name: "each", policy: { concurrency: 1 } }, async (n: number, ctx) => {
        await ctx.sleep(12);
        return n;
      });
      return made(create(scatter.to(each), { ...options(world), queueMaxSize: 1 }));
    },
    inputs: traces(2),
  },
  "results of their own from several nodes, more than there is room for": {
    make: (world) => {
      const many = payloadNode("many", async (n: number, ctx) => {
        for (let index = 0; index < 5; index += 1) {
          await ctx.emit(n * 10 + index);
          await ctx.sleep(3);
        }
      });
      const [left, right] = [step("left", 0.5, 1), step("right", 0.25, 8)];
      return made(create(many.to(left, right), { ...options(world), queueMaxSize: 4 }));
    },
    inputs: traces(2),
  },
  "a node with retries, its backoff and what it holds back": {
    make: (world) => {
      const flaky = payloadNode(
        { name: "flaky", policy: { maxRetries: 5, backoffBaseMs: 20, maxBackoffMs: 30, jitter: 0 } },
        async (n: number, ctx) => {
          await ctx.emit(n + 10);
          await ctx.sleep(2);
          await ctx.emit(n + 20);
          if (ctx.attempt < 3) throw new Error("not yet");
          return n + 30;
        },
      );
      return made(create(step("a", 0).to(flaky), flaky.to(step("b", 0, 4)), options(world)));
    },
    inputs: traces(2),
  },
  "a node that fails in the end": {
    make: (world) => {
      const broken = payloadNode(
        { name: "broken", policy: { maxRetries: 2, backoffBaseMs: 20, jitter: 0 } },
        async (n: number, ctx) => {
          await ctx.sleep(3);
          if (n > 1) throw new Error("always");
          return n;
        },
      );
      return made(create(step("a").to(broken), broken.to(step("b")), options(world)));
    },
    inputs: traces(2),
  },
  "a loop with working memory": {
    make: (world) => {
      const think = node({ name: "think", allowCycle: true }, async (message: Message<WM<number>>, ctx) => {
        await ctx.sleep(11);
        const { facts, hops } = message.payload;
        if (facts.length === 4) return new FinalAnswer({ text: `${hops}:${facts.join()}` });
        return message.payload.with({ facts: [...facts, hops] });
      });
      return made(create(think.to(think), options(world)));
    },
    inputs: traces(2, (index) => new WM<number>({ query: `q${index}` })),
  },
  "a loop whose budget is used up": {
    make: (world) => {
      const think = node({ name: "think", allowCycle: true }, async (message: Message<WM<number>>, ctx) => {
        await ctx.sleep(11);
        return message.payload.with({ tokensUsed: message.payload.tokensUsed + 5 });
      });
      return made(create(think.to(think), options(world)));
    },
    inputs: [
      { traceId: "hops", input: new WM({ query: "h", budgetHops: 3 }) },
      { traceId: "tokens", input: new WM({ query: "t", budgetHops: null, budgetTokens: 12 }) },
    ],
  },
  "a ring": {
    make: (world) => {
      const ping = payloadNode("ping", async (n: number, ctx) => {
        await ctx.sleep(5);
        return n + 1;
      });
      const pong = node("pong", async (message: Message<number>, ctx) => {
        await ctx.sleep(5);
        await ctx.emit(message.payload, { to: message.payload < 4 ? "ping" : "out" });
      });
      const out = step("out", 100, 1);
      return made(
        create(step("a").to(ping), ping.to(pong), pong.to(ping, out), {
          ...options(world),
          allowCycles: true,
          queueMaxSize: 2,
        }),
      );
    },
    inputs: traces(3),
  },
  routers: {
    make: (world) => {
      const choose = predicateRouter("choose", async (message: Message<number>) =>
        message.payload % 3 === 0 ? ["small", "large"] : message.payload % 3 === 1 ? "small" : null,
      );
      return made(
        create(
          step("a", 0).to(choose, step("all", 0.5)),
          choose.to(step("small"), step("large", 1000, 3)),
          options(world),
        ),
      );
    },
    inputs: traces(3),
  },
  "a handler that takes further messages, by where they come from": {
    make: (world) => {
      const split = step("split", 0, 1);
      const [left, right] = [step("left", 10, 4), step("right", 100, 22)];
      const pair = node("pair", async (message: Message<number>, ctx) => {
        const own = message.payload;
        const other = (await ctx.fetch({ from: own < 100 ? "right" : "left" })) as Message<number>;
        await ctx.sleep(15);
        return message.with({ payload: own * 1000 + other.payload });
      });
      return made(
        create(split.to(left, right), left.to(pair), right.to(pair), pair.to(step("end", 0, 2)), options(world)),
      );
    },
    inputs: traces(2),
  },
  "a handler that takes messages of two nodes in turn": {
    make: (world) => {
      const split = step("split", 0, 1);
      const [first, left, right] = [step("first", 1, 1), step("left", 10, 4), step("right", 100, 9)];
      const three = node("three", async (message: Message<number>, ctx) => {
        const b = (await ctx.fetch({ from: "left" })) as Message<number>;
        const c = (await ctx.fetch({ from: "right" })) as Message<number>;
        await ctx.sleep(15);
        return message.with({ payload: `${message.payload} ${b.payload} ${c.payload}` });
      });
      return made(
        create(split.to(first, left, right), first.to(three), left.to(three), right.to(three), options(world)),
      );
    },
    inputs: traces(2),
  },
  "several entries": {
    make: (world) => {
      const both = joinK("both", 2, { input: shape<number>() });
      const [left, right] = [step("left", 10, 4), step("right", 100, 16)];
      return made(create(left.to(both), right.to(both), both.to(sum), options(world)));
    },
    inputs: traces(2),
  },
  "a playbook": {
    make: (world) => {
      const inner = create(step("in", 10, 5).to(step("out", 20, 5)), { graceMs: 5 });
      const outer = payloadNode("outer", async (n: number, ctx) => {
        const first = await ctx.callPlaybook(inner, n);
        return await ctx.callPlaybook(inner, first);
      });
      return made(create(step("a").to(outer), outer.to(step("b")), options(world)));
    },
    inputs: traces(2),
  },
  "priorities, topics, metas and tenants": {
    make: (world) => {
      const first = node("first", async (message: Message<number>, ctx) => {
        await ctx.sleep(5);
        return message.with({ meta: { ...message.meta, seen: [...((message.meta["seen"] as string[]) ?? []), "a"] } });
      });
      const last = node("last", async (message: Message<number>, ctx) => {
        await ctx.sleep(5);
        const { headers, meta, traceId } = message;
        return message.with({ payload: { headers, meta, traceId, tenant: ctx.tenant } as unknown as number });
      });
      return made(create(first.to(last), { ...options(world), tenantWeights: { acme: 3 } }));
    },
    inputs: [
      { traceId: "x", input: 1, options: { tenant: "acme", priority: 5, topic: "hot", meta: { a: [1, { b: null }] } } },
      { traceId: "y", input: 2, options: { tenant: "zeta", meta: { when: "now" } } },
    ],
  },
  "handlers that write streams": {
    make: (world) => {
      const writer = payloadNode("writer", async (n: number, ctx) => {
        for (const text of ["a", "b", "c"]) {
          await ctx.emitChunk({ text });
          await ctx.sleep(6);
        }
        return n;
      });
      return made(create(writer.to(step("after")), options(world)));
    },
    inputs: traces(2),
  },
  "a budget that attempts spend as they end, and within side effects": {
    make: (world) => {
      const spend = payloadNode("spend", (n: number, ctx) => {
        ctx.budget.spend({ calls: 1, costUsd: 0.1 });
        return n;
      });
      const pay = payloadNode("pay", async (n: number, ctx) => {
        await ctx.once(
          "pay",
          async () => {
            const reservation = ctx.budget.reserve({ calls: 3 });
            await ctx.sleep(4);
            reservation.settle({ calls: 2, costUsd: 0.2 });
          },
          { ifUnknown: "run" },
        );
        await ctx.sleep(8);
        return n;
      });
      const tell = payloadNode("tell", async (_: number, ctx) => {
        await ctx.sleep(5);
        return { spent: ctx.budget.spent, left: ctx.budget.left };
      });
      return made(create(step("a").to(spend).to(step("b")).to(pay).to(tell), options(world)));
    },
    inputs: traces(3).map((one) => ({ ...one, options: { budget: { calls: 5, costUsd: 1 } } })),
  },
  "a loop that draws on the budget of its trace": {
    make: (world) => {
      const controller = node({ name: "controller", allowCycle: true }, async (message: Message<WM>, ctx) => {
        await ctx.sleep(7);
        return message.payload.with({ tokensUsed: message.payload.tokensUsed + 10 });
      });
      return made(create(controller.to(controller), options(world)));
    },
    inputs: [
      { traceId: "hops", input: new WM({ query: "", budgetHops: null }), options: { budget: { hops: 4 } } },
      { traceId: "tokens", input: new WM({ query: "", budgetHops: null }), options: { budget: { tokens: 25 } } },
    ],
  },
  "side effects of their own in each round and branch": {
    make: (world) => {
      const paid = <Name extends string>(name: Name) =>
        payloadNode(
          { name, policy: { maxRetries: 3, backoffBaseMs: 4, jitter: 0 } },
          async (n: number, ctx): Promise<number> => {
            const effect = `${ctx.traceId} pay ${name}`;
            const pay = (): number => {
              world.effects.push(effect);
              return 7;
            };
            const receipt = await ctx.once(
              `pay ${name}`,
              async () => {
                await ctx.sleep(4);
                return pay();
              },
              { ifUnknown: () => (world.effects.includes(effect) ? 7 : pay()) },
            );
            await ctx.sleep(5);
            if (ctx.attempt === 1) throw new Error("once more");
            return n + receipt;
          },
        );
      const both = joinK("both", 2, { input: shape<number>() });
      const [left, right] = [paid("left"), paid("right")];
      return made(create(step("a").to(left, right), left.to(both), right.to(both), both.to(sum), options(world)));
    },
    inputs: traces(2),
  },
  "pauses in a branch, answered when they are seen": {
    make: (world) => {
      const ask = payloadNode("ask", async (n: number, ctx) => {
        await ctx.emit(n + 0.5);
        await ctx.sleep(3);
        const first = await ctx.pause<number>({ reason: "first" });
        await ctx.sleep(6);
        const second = await ctx.pause<number>({ reason: "second", payload: { first } });
        await ctx.sleep(6);
        return n + first * 10 + second * 100;
      });
      return made(create(step("a").to(ask), ask.to(step("b", 0, 4)), options(world)));
    },
    inputs: traces(2),
    tend: async (flow) => {
      for (const { token, reason } of await flow.pauses.list())
        void flow.pauses.resume(token, reason === "first" ? 1 : 2).catch(() => {});
    },
  },
};

scenarios["a backoff and a join whose time passes while no process runs the flow"] = {
  make: (world) => {
    let failures = 0;
    const later = payloadNode(
      { name: "later", policy: { maxRetries: 9, backoffBaseMs: 300, maxBackoffMs: 300, jitter: 0 } },
      (n: number, ctx) => {
        failures += 1;
        if (ctx.attempt === 1) throw new Error(`not yet ${failures}`);
        return n + 10;
      },
    );
    const short = joinK("short", 3, { input: shape<number>(), whenShort: "emit", timeoutMs: 800 });
    return made(create(step("a").to(later, short), later.to(short), short.to(sum), options(world)));
  },
  inputs: traces(2),
  downMs: 5_000,
};

scenarios["sleeps, in a branch and one after the other"] = {
  make: (world) => {
    const nap = payloadNode("nap", async (n: number, ctx) => {
      await ctx.emit(n + 0.5);
      await ctx.sleep(20, { name: "first" });
      await ctx.sleep(6);
      await ctx.sleepUntil(ctx.message.createdAt + 60);
      return n + 10;
    });
    return made(create(step("a").to(nap), nap.to(step("b", 0, 4)), options(world)));
  },
  inputs: traces(2),
};

scenarios["sleeps and pauses whose time passes while no process runs the flow"] = {
  make: (world) => {
    const nap = payloadNode("nap", async (n: number, ctx) => {
      await ctx.sleep(300, { name: "nap" });
      return n + 10;
    });
    const ask = payloadNode("ask", async (n: number, ctx) => {
      const ifExpired = async () => {
        await ctx.sleep(3);
        return 100;
      };
      return n + (await ctx.pause<number>({ reason: "how many?", expiresAt: ctx.message.createdAt + 400, ifExpired }));
    });
    return made(create(step("a").to(nap, ask), nap.to(step("b")), ask.to(step("c")), options(world)));
  },
  inputs: traces(2),
  downMs: 5_000,
};

scenarios["playbooks in one another, which ask"] = {
  make: (world) => {
    const ask = payloadNode("ask", async (n: number, ctx) => {
      const answer = await ctx.pause<number>({ reason: "how many?", payload: n });
      await ctx.sleep(3);
      return n + answer;
    });
    const asking = create(ask.to(step("after", 5)), { name: "asking", graceMs: 5 });
    const both = payloadNode("both", async (n: number, ctx) => {
      const parts = [n, n + 100].map((part) => ctx.callPlaybook(asking, part, { key: `${part}` }));
      const [a, b] = await Promise.all(parts);
      return (a as number) + (b as number);
    });
    const middle = create(step("before").to(both), { name: "middle", graceMs: 5 });
    const outer = payloadNode("outer", (n: number, ctx) => ctx.callPlaybook(middle, n));
    return made(create(outer.to(step("b")), options(world)));
  },
  inputs: traces(2),
  tend: async (flow) => {
    for (const { token, payload } of await flow.pauses.list())
      void flow.pauses.resume(token, (payload as number) * 1000).catch(() => {});
  },
};

scenarios["playbooks side by side, of which one sleeps and one fails, called by a handler that is retried"] = {
  make: (world) => {
    const nap = payloadNode("nap", async (n: number, ctx) => {
      await ctx.sleep(25, { name: "nap" });
      return n;
    });
    const napping = create(nap.to(step("awake", 7)), { name: "napping", graceMs: 5 });
    const fail = payloadNode("fail", (): number => {
      throw new Error("never");
    });
    const failing = create(step("try").to(fail), { name: "failing", graceMs: 5 });
    const policy = { maxRetries: 1, backoffBaseMs: 5, jitter: 0 };
    const outer = payloadNode({ name: "outer", policy }, async (n: number, ctx) => {
      const failed = ctx.callPlaybook(failing, n).catch((error: unknown) => (error as FlowError).code);
      const all = await Promise.all([ctx.callPlaybook(napping, n), failed]);
      await ctx.sleep(5);
      if (ctx.attempt === 1) throw new Error("once more");
      return all.join();
    });
    return made(create(outer.to(payloadNode("b", (text: string) => text)), options(world)));
  },
  inputs: traces(2),
};

describe("cut at any batch, a flow ends as if it had not been cut:", () => {
  test.each(Object.keys(scenarios))("%s", { timeout: 30_000 }, async (name) => {
    const tried = await expectAlikeHoweverCut(scenarios[name] as Scenario);
    expect(tried).toBeGreaterThan(5);
  });
});

test("cut at any batch, a call was answered, or its result is fetched by its id, or nothing of it was accepted", async () => {
  const [a, b] = [step("a"), step("b", 10)];
  const life = async (checkpoints: CheckpointStore, clock: TestClock) => {
    const flow = create(a.to(b), { durability: durable({ checkpoints }), clock, logger: logbook(), graceMs: 5 });
    flow.run();
    await passing(clock, flow.ready(), 1);
    return flow;
  };
  const seen = new Set<string>();
  for (const at of range(6)) {
    for (const side of ["before", "after"] as const) {
      const clock = new TestClock();
      const memory = new MemoryCheckpointStore({ clock });
      const first = await life(new CutCheckpoints(memory, { at, side }), clock);
      const [called] = await passing(clock, Promise.allSettled([first.call(1, { traceId: "t" })]), 5);
      await passing(clock, first.stop(), 5);
      const { entries } = await contentsOf(memory);
      const second = await life(memory, clock);
      const [fetched] = await passing(clock, Promise.allSettled([second.fetch({ traceId: "t" })]), 5);
      await passing(clock, second.stop(), 5);
      const told = [called, fetched].map((one) =>
        one.status === "fulfilled" ? "a result" : (one.reason as FlowError).code,
      );
      expect(called.status === "fulfilled" ? called.value : 12).toBe(12);
      expect(fetched.status === "fulfilled" ? (fetched.value as Message).payload : 12).toBe(12);
      // a stored trace is finished, and an answered one is no longer stored
      expect(told[1]).toBe(entries.length > 0 ? "a result" : "TRACE_UNKNOWN");
      seen.add(told.join());
    }
  }
  expect([...seen].toSorted()).toEqual([
    "CHECKPOINT_FAILED,TRACE_UNKNOWN",
    "CHECKPOINT_FAILED,a result",
    "a result,TRACE_UNKNOWN",
  ]);
});
