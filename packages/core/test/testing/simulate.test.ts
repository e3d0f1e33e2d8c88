import {
  create,
  type FlowOptions,
  joinK,
  LoopbackTransport,
  type Message,
  node,
  payloadNode,
  predicateRouter,
  remoteNode,
  shape,
  WM,
} from "penguiflow";
import { durable } from "penguiflow/durable";
import { type SeedProgress, simulate, SimulationError } from "penguiflow/testing";
import { describe, expect, test } from "vitest";

interface Part {
  readonly order: number;
  readonly part: string;
}

const policy = { maxRetries: 3, backoffBaseMs: 5, timeoutMs: 1_000 } as const;

/** Creates a flow with fan-out, join, a router, streams, retries and timeouts. */
function shop(options: FlowOptions) {
  const split = payloadNode({ name: "split", policy: { concurrency: 1 } }, (order: number): Part => ({
    order,
    part: "",
  }));
  const goods = payloadNode({ name: "goods", policy }, ({ order }: Part): Part => ({ order, part: "goods" }));
  const price = payloadNode({ name: "price", policy }, async ({ order }: Part, ctx): Promise<Part> => {
    await ctx.sleep(order % 5);
    await ctx.emitChunk({ text: "priced" });
    return { order, part: "price" };
  });
  const join = joinK("join", 2, { input: shape<Part>() });
  const route = predicateRouter("route", ({ payload: [first] }: Message<Part[]>) =>
    first !== undefined && first.order % 2 === 0 ? "even" : "odd",
  );
  const even = payloadNode("even", (parts: Part[]) => `even ${parts[0]?.order}`);
  const odd = payloadNode("odd", (parts: Part[]) => `odd ${parts[0]?.order}`);
  return create(split.to(goods, price), goods.to(join), price.to(join), join.to(route), route.to(even, odd), {
    queueMaxSize: 2,
    ...options,
  });
}

const orders = (random: () => number): number => Math.floor(random() * 100);

describe("simulate", () => {
  test("runs a flow under many seeds and says what it has gone through", async () => {
    const report = await simulate({
      flow: (ports) => shop(ports),
      input: orders,
      seeds: 60,
      check(requests) {
        for (const { input, status, results } of requests)
          if (status === "completed") expect(results).toEqual([input % 2 === 0 ? `even ${input}` : `odd ${input}`]);
      },
    });
    expect(report.seeds).toBe(60);
    expect(report.requests).toBeGreaterThan(120);
    expect(report.attempts).toBeGreaterThan(report.requests);
    for (const status of ["completed", "failed", "cancelled", "exhausted"] as const)
      expect(report.outcomes[status] ?? 0, status).toBeGreaterThan(0);
    for (const fault of [
      "a handler throws",
      "a handler throws when its work is done",
      "a handler is slow",
      "a handler hangs",
      "a handler returns too late",
      "a caller sets a deadline",
      "a caller cancels",
      "a caller aborts",
      "a reader leaves",
      "an observer throws",
      "a call of a store is refused",
      "a call of a bus is slow",
    ])
      expect(report.faults[fault] ?? 0, fault).toBeGreaterThan(0);
  });

  test("does nothing it should not when faults are off", async () => {
    const report = await simulate({ flow: (ports) => shop(ports), input: orders, seeds: 10, faults: false });
    expect(report.faults).toEqual({});
    expect(report.outcomes).toEqual({ completed: report.requests });
  });

  test("knows controllers, playbooks and remote agents", async () => {
    const report = await simulate({
      flow(ports, { faulty }) {
        const look = payloadNode("look", (query: string) => query.length);
        const through = payloadNode("through", (found: number) => found);
        // its nodes have the names of the outer ones, but its records must not be confused with theirs
        const playbook = create(look.to(through), { name: "inner" });
        const { clock, random, scheduler } = ports;
        const shout = payloadNode("shout", async (text: string, ctx) => {
          for (const letter of text) await ctx.emitChunk({ text: letter.toUpperCase() });
          return text.toUpperCase();
        });
        const agent = create(shout.to(), { clock, random, scheduler });
        agent.run();
        const transport = faulty(new LoopbackTransport({ shout: agent }));
        const begin = payloadNode("begin", (query: string) => new WM({ query, budgetHops: 6 }));
        const plan = node({ name: "plan", allowCycle: true }, async (message: Message<WM>, ctx) => {
          const found = await ctx.callPlaybook(playbook, message.payload.query);
          return message.payload.hops < found ? message.payload : `${message.payload.query} ${found}`;
        });
        const remote = { transport, agentUrl: "loopback", skill: "shout", output: shape<string>(), streaming: true };
        const tell = remoteNode("look", { ...remote, policy });
        return create(begin.to(plan), plan.to(plan, tell as never), { allowCycles: true, ...ports }) as never;
      },
      input: (random: () => number) => "x".repeat(Math.floor(random() * 4)),
      seeds: 40,
    });
    expect(report.outcomes.completed ?? 0).toBeGreaterThan(20);
    for (const fault of ["unanswered", "cut", "repeated", "reordered"])
      expect(report.faults[`a call of a transport is ${fault}`] ?? 0, fault).toBeGreaterThan(0);
  });

  test.each([true, false])(
    "knows the signals of playbooks, which continue without their callers if durable: %s",
    async (isDurable) => {
      const hearing = () => {
        const hear = payloadNode({ name: "hear", policy }, async (n: number, ctx) => {
          const { value } = await ctx.signals<number>("go", { expiresAt: ctx.message.createdAt + 50 }).next();
          await ctx.sleep(5, { name: "after" });
          return n + (value ?? 0);
        });
        return create(hear.to(payloadNode("on", (n: number) => n)), { name: "inner" });
      };
      const report = await simulate({
        flow(ports, { checkpoints }) {
          const playbook = hearing();
          const call = payloadNode({ name: "call", policy }, (n: number, ctx) => ctx.callPlaybook(playbook, n));
          const more = isDurable ? { durability: durable({ checkpoints, unloadAfterMs: 1 }) } : {};
          return create(call.to(payloadNode("end", (n: number) => n)), { ...ports, ...more });
        },
        input: orders,
        signals: (random) => Array.from({ length: Math.floor(random() * 4) }, () => ({ name: "go", value: 1 })),
        seeds: 40,
      });
      expect(report.faults["a signal is sent"]).toBeGreaterThan(0);
      expect(report.outcomes.completed).toBeGreaterThan(0);
    },
  );

  test("finds what a flow does wrong only when a handler is repeated, under the same seed each time", async () => {
    const simulation = (seeds: number | readonly number[]) => {
      let charged = new Map<string, number>();
      return simulate({
        flow(ports) {
          charged = new Map();
          const charge = payloadNode({ name: "charge", policy }, (order: string) => {
            charged.set(order, (charged.get(order) ?? 0) + 1);
            return order;
          });
          return create(charge.to(), { ...ports });
        },
        input: (_random, index) => `order ${index}`,
        seeds,
        check() {
          for (const [order, times] of charged) if (times > 1) throw new Error(`${order} was charged ${times} times`);
        },
      });
    };
    const failure = await simulation(100).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(SimulationError);
    const { seed, broken, records, message } = failure as SimulationError;
    expect(broken).toEqual([expect.stringMatching(/^Your check: order \d was charged \d times$/)]);
    expect(message).toContain(`Seed ${seed} breaks the flow; run it again with seeds: [${seed}]`);
    expect(message).toContain(records.at(-1));
    expect(message).toContain("Contents of nodes and edges");
    const again = await simulation([seed]).catch((error: unknown) => error);
    expect((again as SimulationError).records).toEqual(records);
    expect((again as SimulationError).message).toBe(message);
  });

  test(
    "runs a durable flow in processes that end at any time, and answers what it waits for",
    { timeout: 60_000 },
    async () => {
      const charged: string[] = [];
      const report = await simulate({
        flow(ports, { checkpoints }) {
          const check = payloadNode({ name: "check", policy }, (order: number) => order);
          const charge = payloadNode("charge", async (order: number, ctx) => {
            const isMine = await ctx.pause<boolean>({ reason: `charge ${order}?` });
            if (isMine) await ctx.once("charge", (key) => void charged.push(key), { ifUnknown: () => {} });
            return order;
          });
          const pack = payloadNode({ name: "pack", policy: { concurrency: 1 } }, async (order: number, ctx) => {
            await ctx.sleep(3);
            return order;
          });
          const send = joinK("send", 2, { input: shape<number>() });
          return create(check.to(charge, pack), charge.to(send), pack.to(send), {
            queueMaxSize: 2,
            ...ports,
            durability: durable({ checkpoints }),
          });
        },
        input: orders,
        answer: ({ reason }) => !reason.includes("7"),
        seeds: Array.from({ length: 60 }, (_, index) => index + 2),
        check(requests) {
          for (const { input, status, results } of requests)
            if (status === "completed") expect(results).toEqual([[input, input]]);
          expect(new Set(charged).size).toBe(charged.length);
          charged.length = 0;
        },
      });
      expect(report.crashes).toBeGreaterThan(60);
      expect(report.outcomes.completed).toBeGreaterThan(100);
      expect(report.faults["a pause is answered"]).toBeGreaterThan(100);
    },
  );

  test("finds what a durable flow does twice, under the same seed each time", { timeout: 60_000 }, async () => {
    const simulation = (seeds: number | readonly number[]) => {
      // external effects remain when a process ends
      const sent = new Map<string, number>();
      return simulate({
        flow(ports, { checkpoints }) {
          const send = payloadNode("send", async (order: string, ctx) => {
            sent.set(order, (sent.get(order) ?? 0) + 1);
            await ctx.sleep(5);
            return order;
          });
          return create(send.to(), { ...ports, durability: durable({ checkpoints }) });
        },
        input: (_random, index) => `order ${index}`,
        seeds,
        check() {
          const twice = [...sent].filter(([, times]) => times > 1);
          sent.clear();
          if (twice.length > 0) throw new Error(`${twice[0]?.[0]} was sent twice`);
        },
      });
    };
    const failure = (await simulation(50).catch((error: unknown) => error)) as SimulationError;
    expect(failure.broken).toEqual([expect.stringMatching(/^Your check: order \d was sent twice$/)]);
    expect(failure.message).toContain("a new process goes on from what is stored");
    const again = (await simulation([failure.seed]).catch((error: unknown) => error)) as SimulationError;
    expect(again.message).toBe(failure.message);
  });

  test("notices a handler that leaves its result to chance", async () => {
    const dice = payloadNode("dice", () => Math.random());
    await expect(
      simulate({ flow: (ports) => create(dice.to(), { ...ports }), input: () => undefined as never, seeds: 5 }),
    ).rejects.toThrow(/L9: the same seed produces a different run/);
  });

  test("notices a handler that waits for something that never comes, and says who holds it", async () => {
    const stuck = payloadNode("stuck", () => new Promise<string>(() => {}));
    const failure = await simulate({
      flow: (ports) => create(stuck.to(), { ...ports }),
      input: () => undefined as never,
      seeds: [3],
      faults: false,
    }).catch((error: unknown) => error);
    expect((failure as SimulationError).message).toMatch(/L2: request "request-1" of tenant-\d has not settled/);
    expect((failure as SimulationError).message).toMatch(/node "stuck": \d+ of \d+ running/);
  });

  test("refuses a flow that does without the ports, and options it does not know", async () => {
    const echo = payloadNode("echo", (text: string) => text);
    const input = (): string => "x";
    await expect(simulate({ flow: () => create(echo.to()), input })).rejects.toThrow(
      'Option "flow" of simulate must pass its ports on: create(…, { ...ports })',
    );
    const flow = (ports: FlowOptions) => create(echo.to(), { ...ports });
    await expect(simulate({ flow, input, seed: 3 } as never)).rejects.toThrow(/Unknown option "seed" of simulate/);
    await expect(simulate({ flow, input, seeds: 0 })).rejects.toThrow(
      /Option "seeds" must be a whole number of 1 or more: got 0/,
    );
    await expect(simulate({ flow, input, answer: true as never })).rejects.toThrow(
      /Option "answer" must be a function/,
    );
    await expect(simulate({ flow: "x" as never, input })).rejects.toThrow(/Option "flow" must be a function/);
  });
});

describe("the progress of a simulation", () => {
  const twice = (ports: FlowOptions) => create(payloadNode("twice", (value: number) => value * 2).to(), { ...ports });
  const input = () => 1;

  test("is told after each seed, with the faults of that seed and those that no seed has had", async () => {
    const told: SeedProgress[] = [];
    const report = await simulate({
      flow: twice,
      input,
      seeds: [3, 9, 4],
      onSeed: (progress) => void told.push(progress),
    });
    expect(told.map(({ seed, done, seeds }) => [seed, done, seeds])).toEqual([
      [3, 1, 3],
      [9, 2, 3],
      [4, 3, 3],
    ]);
    const sum = (key: "requests" | "attempts" | "crashes") => told.reduce((total, one) => total + one[key], 0);
    expect([sum("requests"), sum("attempts"), sum("crashes")]).toEqual([
      report.requests,
      report.attempts,
      report.crashes,
    ]);
    expect(new Set(told.flatMap(({ faults }) => Object.keys(faults)))).toEqual(new Set(Object.keys(report.faults)));
    expect(told[2]?.neverOccurred).toEqual(report.neverOccurred);
    expect(report.neverOccurred.length).toBeGreaterThan(0);
    for (const kind of report.neverOccurred) expect(report.faults).not.toHaveProperty(kind);
    const later = new Set(told[2]?.neverOccurred);
    const { faults } = report;
    // a kind leaves the list only by its occurring, and enters it only when its adapter comes into play
    for (const kind of told[0]!.neverOccurred) expect(later.has(kind) || kind in faults).toBe(true);
  });

  test("holds up the next seed until its promise is settled, and ends the simulation when it throws", async () => {
    const steps: string[] = [];
    const flow = (ports: FlowOptions) => (steps.push("build"), twice(ports));
    const onSeed = async ({ seed }: SeedProgress) => {
      await Promise.resolve();
      steps.push(`seed ${seed}`);
      if (seed === 2) throw new Error("enough");
    };
    await expect(simulate({ flow, input, seeds: 3, onSeed })).rejects.toThrow("enough");
    expect(steps).toEqual(["build", "build", "seed 1", "build", "seed 2"]);
  });

  test("has no faults where none are injected, and the violations of a seed that breaks the flow", async () => {
    const told: SeedProgress[] = [];
    const failing = simulate({
      flow: twice,
      input,
      seeds: 5,
      faults: false,
      onSeed: (progress) => void told.push(progress),
      check: () => {
        throw new Error("wrong");
      },
    });
    await expect(failing).rejects.toThrow(SimulationError);
    expect(told).toMatchObject([{ seed: 1, faults: {}, neverOccurred: [] }]);
    expect(told[0]?.broken.join()).toContain("wrong");
  });
});
