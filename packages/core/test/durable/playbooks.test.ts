import { afterEach, describe, expect, test } from "vitest";
import {
  type CheckpointStore,
  type Context,
  create,
  type Flow,
  type FlowError,
  MemoryCheckpointStore,
  type Message,
  type NodePolicy,
  type Outcome,
  payloadNode,
  type PauseTicket,
  type PlaybookFlow,
} from "penguiflow";
import { durable, type DurableOptions } from "penguiflow/durable";
import { settle, TestClock } from "penguiflow/testing";
import { logbook, within } from "../fixtures/watched-flow.ts";
import { contentsOf, CutCheckpoints } from "./cut-checkpoint-store.ts";

type Work = (n: number, ctx: Context) => unknown;

const pausesOf = (outcome: Outcome): readonly PauseTicket[] => {
  if (outcome.status !== "paused") throw new Error(`${outcome.status}: ${JSON.stringify(outcome)}`);
  return outcome.pauses;
};

const codeOf = async (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    (value) => value,
    (error: unknown) => (error as FlowError).code,
  );

const started: { readonly flow: Flow<never, unknown>; readonly clock: TestClock }[] = [];

afterEach(async () => {
  for (const { flow, clock } of started.splice(0)) {
    const stopped = flow.stop();
    await clock.advance(20);
    await within(2_000, stopped, "stop");
  }
});

/** Processes that run one flow after the other over one store, each until it is killed. */
class Machine {
  readonly clock = new TestClock();
  readonly checkpoints = new MemoryCheckpointStore({ clock: this.clock });
  /** Handlers that have begun, in all processes. */
  readonly begun: string[] = [];
  readonly logger = logbook();

  /** Creates a node that notes each call of its handler. */
  noting<Name extends string>(name: Name, work: Work = (n) => n) {
    return payloadNode(name, (n: number, ctx) => {
      this.begun.push(name);
      return work(n, ctx) as number;
    });
  }

  /** Starts a process whose flow has one node, or the given one. */
  async start(
    work: Work,
    { policy = {}, ...options }: Partial<DurableOptions> & { readonly policy?: NodePolicy } = {},
    store: CheckpointStore = this.checkpoints,
  ) {
    const own = new CutCheckpoints(store);
    const caller = payloadNode({ name: "caller", policy }, (n: number, ctx) => {
      this.begun.push("caller");
      return work(n, ctx);
    });
    const durability = durable({ checkpoints: own, ...options });
    const { clock, logger } = this;
    const flow = create(caller.to(), { name: "flow", clock, logger, durability, graceMs: 5 });
    flow.run();
    started.push({ flow, clock });
    await within(2_000, flow.ready(), "ready");
    /** Ends the process without any further write. */
    const kill = async (): Promise<void> => {
      own.cut();
      const stopped = flow.stop();
      await this.clock.advance(20);
      await within(2_000, stopped, "the end of the process");
      this.begun.push("killed");
    };
    const emit = (tenant = "default") => within(2_000, flow.emit(1, { traceId: "t", tenant }), "emit");
    const fetch = async (): Promise<unknown> =>
      ((await within(2_000, flow.fetch({ traceId: "t" }), "fetch")) as Message).payload;
    return { flow, kill, emit, fetch };
  }
}

const nap = (ms: number) => (_: number, ctx: Context) => ctx.sleep(ms);

/** Creates a playbook of two nodes, of which the second takes 100 ms. */
function slowPlaybook(machine: Machine, name = "slow") {
  const first = machine.noting("first", (n) => n + 1);
  const second = machine.noting("second", async (n, ctx) => {
    await nap(100)(n, ctx);
    return n * 10;
  });
  return create(first.to(second), { name, graceMs: 5 });
}

/** Creates a playbook that asks a question in its second node. */
function askingPlaybook(machine: Machine, name = "asking", caller?: PlaybookFlow<number, number>) {
  const read = machine.noting("read", (n, ctx) => (caller === undefined ? n : ctx.callPlaybook(caller, n)));
  const ask = machine.noting("ask", async (n, ctx) => n + (await ctx.pause<number>({ reason: "how many?" })));
  const write = machine.noting("write", (n) => n);
  return create(read.to(ask), ask.to(write), { name, graceMs: 5 });
}

describe("after a crash, a playbook of a durable flow", () => {
  test("continues from its messages: no node that it has committed runs again", async () => {
    const machine = new Machine();
    const playbook = slowPlaybook(machine);
    const calling: Work = (n, ctx) => ctx.callPlaybook(playbook, n);
    const before = await machine.start(calling);
    await before.emit();
    await machine.clock.advance(50);
    await before.kill();
    const after = await machine.start(calling);
    await machine.clock.advance(100);
    expect(await after.fetch()).toBe(20);
    expect(machine.begun).toEqual(["caller", "first", "second", "killed", "caller", "second"]);
  });

  test("that had ended is not begun again: its caller is given what it was given before", async () => {
    const machine = new Machine();
    const playbook = slowPlaybook(machine);
    const broken = create(
      machine
        .noting("break", () => {
          throw new Error("no");
        })
        .to(),
      { name: "broken" },
    );
    const work: Work = async (n, ctx) => {
      const result = await ctx.callPlaybook(playbook, n);
      const failure = await codeOf(ctx.callPlaybook(broken, n));
      await ctx.sleep(100);
      return [result, failure];
    };
    const before = await machine.start(work);
    await before.emit();
    await machine.clock.advance(150);
    await before.kill();
    const after = await machine.start(work);
    await machine.clock.advance(100);
    expect(await after.fetch()).toEqual([20, "NODE_EXCEPTION"]);
    expect(machine.begun).toEqual(["caller", "first", "second", "break", "killed", "caller"]);
  });

  test("continues at any depth, several of one handler side by side", async () => {
    const machine = new Machine();
    const inner = slowPlaybook(machine, "inner");
    const outer = create(
      machine
        .noting("outer", async (n, ctx) => {
          const calls = [n, n + 1].map((part) => ctx.callPlaybook(inner, part, { key: `${part}` }));
          return (await Promise.all(calls)).reduce((sum, part) => sum + part, 0);
        })
        .to(),
      { name: "outer" },
    );
    const work: Work = (n, ctx) => Promise.all([n, n + 10].map((part) => ctx.callPlaybook(outer, part)));
    const before = await machine.start(work);
    await before.emit();
    await machine.clock.advance(50);
    await before.kill();
    const after = await machine.start(work);
    await machine.clock.advance(100);
    expect(await after.fetch()).toEqual([50, 250]);
    const [first, second] = ["first", "second"].map((name) => machine.begun.filter((each) => each === name).length);
    expect({ first, second }).toEqual({ first: 4, second: 8 });
  });

  test("is found by its key, when its handler makes other calls before it", async () => {
    const machine = new Machine();
    const playbook = slowPlaybook(machine);
    let keys = ["b"];
    const work: Work = (_, ctx) =>
      Promise.all(keys.map((key) => ctx.callPlaybook(playbook, key === "a" ? 1 : 2, { key })));
    const before = await machine.start(work);
    await before.emit();
    await machine.clock.advance(50);
    await before.kill();
    keys = ["a", "b"];
    const after = await machine.start(work);
    await machine.clock.advance(100);
    expect(await after.fetch()).toEqual([20, 30]);
    expect(machine.begun.slice(4).toSorted()).toEqual(["caller", "first", "second", "second"]);
  });

  test("keeps its deadline and its tenant", async () => {
    const machine = new Machine();
    const tenants: string[] = [];
    const playbook = create(
      machine
        .noting("wait", async (n, ctx) => {
          tenants.push(ctx.tenant);
          await ctx.sleep(500);
          return n;
        })
        .to(),
      { name: "waiting", graceMs: 5 },
    );
    const work: Work = async (n, ctx) => codeOf(ctx.callPlaybook(playbook, n, { timeoutMs: 100 }));
    const before = await machine.start(work);
    await before.emit("acme");
    await machine.clock.advance(60);
    await before.kill();
    const after = await machine.start(work);
    const fetched = after.flow.fetch({ traceId: "t", tenant: "acme" });
    await machine.clock.advance(41);
    expect(((await within(2_000, fetched)) as Message).payload).toBe("DEADLINE_EXCEEDED");
    expect(tenants).toEqual(["acme", "acme"]);
  });

  test("keeps its deadline while it waits for an answer", async () => {
    const machine = new Machine();
    const asking = askingPlaybook(machine);
    const work: Work = async (n, ctx) => codeOf(ctx.callPlaybook(asking, n, { timeoutMs: 100 }));
    const before = await machine.start(work);
    const paused = await before.flow.outcome(1, { traceId: "t" });
    expect(paused.status).toBe("paused");
    await before.kill();
    const after = await machine.start(work);
    const fetched = after.fetch();
    await machine.clock.advance(100);
    expect(await fetched).toBe("DEADLINE_EXCEEDED");
  });

  test("stays in the store while its trace waits for an answer, and continues when there is one", async () => {
    const machine = new Machine();
    const asking = askingPlaybook(machine);
    const work: Work = (n, ctx) => ctx.callPlaybook(asking, n);
    const before = await machine.start(work);
    const [pause] = pausesOf(await before.flow.outcome(1, { traceId: "t" }));
    await before.kill();
    const after = await machine.start(work);
    await settle();
    expect(machine.begun).toEqual(["caller", "read", "ask", "killed"]);
    expect(await after.flow.pauses.resume((pause as PauseTicket).token, 5)).toMatchObject({ result: 6 });
    expect(machine.begun.slice(4)).toEqual(["caller", "ask", "write"]);
  });

  test("is cancelled with its trace, even before its handler has called it again", async () => {
    const machine = new Machine();
    const asking = askingPlaybook(machine);
    const work: Work = (n, ctx) => ctx.callPlaybook(asking, n);
    const before = await machine.start(work);
    await before.emit();
    await settle();
    await before.kill();
    const after = await machine.start(work);
    expect(await after.flow.pauses.list()).toHaveLength(1);
    expect(await after.flow.cancel("t")).toMatchObject({ found: true });
    await settle();
    expect(await after.flow.pauses.list()).toEqual([]);
    await after.flow.stop();
    expect((await contentsOf(machine.checkpoints)).entries).toEqual([]);
    expect(machine.begun).toEqual(["caller", "read", "ask", "killed"]);
  });
});

describe("a handler that waits for a playbook in a durable flow", () => {
  test("holds no slot", async () => {
    const machine = new Machine();
    const playbook = slowPlaybook(machine);
    const { flow } = await machine.start((n, ctx) => ctx.callPlaybook(playbook, n), { policy: { concurrency: 1 } });
    const called = Promise.all([flow.call(1), flow.call(2), flow.call(3)]);
    await machine.clock.advance(100);
    expect(await within(2_000, called)).toEqual([20, 30, 40]);
  });

  test("is not called again while nothing pauses or crashes", async () => {
    const machine = new Machine();
    const playbook = slowPlaybook(machine);
    const work: Work = async (n, ctx) => ctx.callPlaybook(playbook, await ctx.callPlaybook(playbook, n));
    const { flow } = await machine.start(work);
    const called = flow.call(1);
    await machine.clock.advance(200);
    expect(await within(2_000, called)).toBe(210);
    expect(machine.begun).toEqual(["caller", "first", "second", "first", "second"]);
  });

  test("is parked while the playbook waits for an answer, and called again when that has ended", async () => {
    const machine = new Machine();
    const asking = askingPlaybook(machine);
    const { flow } = await machine.start((n, ctx) => ctx.callPlaybook(asking, n), { policy: { timeoutMs: 50 } });
    const [pause] = pausesOf(await flow.outcome(1));
    expect(flow.stats()).toMatchObject({ nodes: [{ running: 0 }] });
    await machine.clock.advance(1_000);
    expect(await flow.pauses.resume((pause as PauseTicket).token, 5)).toMatchObject({ result: 6 });
    expect(machine.begun).toEqual(["caller", "read", "ask", "ask", "write", "caller"]);
  });

  test("shows the questions of all playbooks that it has called", async () => {
    const machine = new Machine();
    const asking = askingPlaybook(machine);
    const work: Work = (n, ctx) => Promise.all([n, n + 1].map((part) => ctx.callPlaybook(asking, part)));
    const { flow } = await machine.start(work);
    const [first, second] = pausesOf(await flow.outcome(1)) as [PauseTicket, PauseTicket];
    expect(pausesOf(await flow.pauses.resume(second.token, 10))).toEqual([first]);
    expect(await flow.pauses.resume(first.token, 20)).toMatchObject({ result: [21, 12] });
    // once at first, and once for each playbook that has ended
    expect(machine.begun.filter((name) => name === "caller")).toHaveLength(3);
  });

  test("continues with several playbooks that ask, answered in any order in processes of their own", async () => {
    const machine = new Machine();
    const inner = askingPlaybook(machine, "inner");
    const outer = askingPlaybook(machine, "outer", inner);
    const work: Work = (n, ctx) =>
      Promise.all([n, n + 10].map((part) => ctx.callPlaybook(outer, part, { key: `${part}` })));
    const paths: string[] = [];
    let process = await machine.start(work);
    await process.emit();
    await settle();
    for (;;) {
      await process.kill();
      process = await machine.start(work);
      const open = await process.flow.pauses.list();
      const last = open.at(-1);
      if (last === undefined) break;
      expect(last).toMatchObject({ node: "ask", traceId: "t" });
      paths.push(last.path.join());
      void process.flow.pauses.resume(last.token, 100).catch(() => {});
      await settle();
    }
    expect(await process.fetch()).toEqual([201, 211]);
    expect(paths.toSorted()).toEqual(["outer", "outer", "outer,inner", "outer,inner"]);
    expect(machine.begun.filter((name) => name === "write")).toHaveLength(4);
  });

  test("is called again with what is left of a playbook's sleep", async () => {
    const machine = new Machine();
    const sleeping = create(
      machine.noting("before").to(
        machine.noting("sleep", async (n, ctx) => {
          await ctx.sleep(1_000, { name: "nap" });
          return n;
        }),
      ),
      { name: "sleeping" },
    );
    const work: Work = (n, ctx) => ctx.callPlaybook(sleeping, n);
    const before = await machine.start(work);
    await before.emit();
    await machine.clock.advance(600);
    await before.kill();
    await machine.clock.advance(100);
    const after = await machine.start(work);
    await machine.clock.advance(279);
    expect(machine.begun).toEqual(["caller", "before", "sleep", "killed"]);
    await machine.clock.advance(1);
    expect(await after.fetch()).toBe(1);
    expect(machine.begun.slice(4)).toEqual(["caller", "sleep"]);
  });
});

test("a trace stored by an earlier version, of which only the answers are known, begins its playbook again", async () => {
  const machine = new Machine();
  const asking = askingPlaybook(machine);
  const work: Work = (n, ctx) => ctx.callPlaybook(asking, n);
  const before = await machine.start(work);
  await before.emit();
  await settle();
  await before.kill();
  const partition = await machine.checkpoints.open({ partition: "flow", owner: "the test", leaseMs: 1 });
  for await (const page of partition.read()) {
    const put = page.map((entry) => {
      const { calls: _, ...state } = JSON.parse(entry.state) as { calls: unknown };
      return { ...entry, version: 3, state: JSON.stringify(state) };
    });
    await partition.append({ put, remove: [], counts: new Map() }, partition.sequence);
  }
  await partition.close();
  const after = await machine.start(work);
  const [pause] = await after.flow.pauses.list();
  await after.flow.pauses.resume((pause as PauseTicket).token, 5);
  expect(await after.fetch()).toBe(6);
  expect(machine.begun.slice(4)).toEqual(["caller", "read", "ask", "write"]);
});

test("the log of a playbook continues with it, and its budget is that of its trace", async () => {
  const machine = new Machine();
  const note = machine.noting("note", async (n, ctx) => {
    ctx.budget.spend({ notes: 1 });
    await ctx.log.append([`noted ${n}`]);
    return n;
  });
  const read = machine.noting("read", async (n, ctx) => {
    await ctx.sleep(100);
    await ctx.log.append([`read ${n}`]);
    return [await ctx.log.read(), ctx.budget.spent];
  });
  const noting = create(note.to(read), { name: "noting", graceMs: 5 });
  const work: Work = (n, ctx) => ctx.callPlaybook(noting, n);
  const before = await machine.start(work);
  await before.emit();
  await machine.clock.advance(50);
  await before.kill();
  const after = await machine.start(work);
  await machine.clock.advance(100);
  expect(await after.fetch()).toEqual([["noted 1", "read 1"], { notes: 1 }]);
  expect(machine.begun).toEqual(["caller", "note", "read", "killed", "caller", "read"]);
});

test("a budget that ran out in a playbook ends the trace as exhausted, also where a later process is told of it", async () => {
  const machine = new Machine();
  const spending = machine.noting("spending", (n, ctx) => ctx.budget.spend({ units: 2 * n }));
  const playbook = create(spending.to(), { name: "spending" });
  const work: Work = async (n, ctx) => {
    const spent = ctx.callPlaybook(playbook, n);
    await ctx.sleep(1_000, { name: "later" });
    return await spent;
  };
  const before = await machine.start(work);
  before.flow.call(1, { traceId: "t", budget: { units: 1 } }).catch(() => {});
  await machine.clock.advance(500);
  await before.kill();
  const after = await machine.start(work);
  const fetched = codeOf(within(2_000, after.flow.fetch({ traceId: "t" })));
  await machine.clock.advance(1_000);
  expect(await fetched).toBe("BUDGET_EXHAUSTED");
  expect(machine.begun.filter((name) => name === "spending")).toHaveLength(1);
});

test("a signal that a playbook has received is not received again after a crash", async () => {
  const machine = new Machine();
  const hear = machine.noting("hear", async (n, ctx) => {
    const { value } = await ctx.signals<number>("number").next();
    return n + (value ?? 0);
  });
  const linger = machine.noting("linger", async (n, ctx) => {
    await ctx.sleep(100);
    return n;
  });
  const hearing = create(hear.to(linger), { name: "hearing", graceMs: 5 });
  const next = create(machine.noting("next", (_, ctx) => ctx.signals<number>("number").take()).to(), { name: "next" });
  const work: Work = async (n, ctx) => {
    await ctx.callPlaybook(hearing, n);
    return await ctx.callPlaybook(next, n);
  };
  const before = await machine.start(work);
  await before.emit();
  await settle();
  expect(await before.flow.pauses.list()).toEqual([]);
  await before.flow.signal("t", "number", 1);
  await machine.clock.advance(50);
  await before.kill();
  const after = await machine.start(work);
  await machine.clock.advance(100);
  expect(await after.fetch()).toEqual([]);
  expect(machine.begun).toEqual(["caller", "hear", "hear", "linger", "killed", "caller", "linger", "next"]);
});

describe("what is stored of a call", () => {
  test("is part of its trace, then its result, and is gone once its caller's message has committed", async () => {
    const machine = new Machine();
    const playbook = slowPlaybook(machine);
    const seen: unknown[] = [];
    const work: Work = async (n, ctx) => {
      await ctx.callPlaybook(playbook, n);
      await ctx.sleep(50);
      return n;
    };
    for (const untilMs of [50, 120, 200]) {
      const own = new MemoryCheckpointStore({ clock: machine.clock });
      const { kill, emit } = await machine.start(work, {}, own);
      await emit();
      await machine.clock.advance(untilMs);
      await kill();
      const [entry] = (await contentsOf(own)).entries;
      const { calls, items } = JSON.parse((entry as { state: string }).state) as {
        calls?: { result?: unknown; trace?: { items: { node: string }[] } }[];
        items: unknown[];
      };
      seen.push({ items: items.length, calls: calls?.map(({ result, trace }) => result ?? trace?.items[0]?.node) });
    }
    expect(seen).toEqual([
      { items: 1, calls: ["second"] },
      { items: 1, calls: [20] },
      { items: 0, calls: undefined },
    ]);
  });

  test("must be data", async () => {
    const machine = new Machine();
    const odd = create(machine.noting("odd", () => () => 1).to(), { name: "odd" });
    const { flow } = await machine.start((n, ctx) => codeOf(ctx.callPlaybook(odd, n)));
    expect(await flow.call(1)).toBe("NOT_SERIALISABLE");
    const taking = create(payloadNode("take", (_: unknown) => 1).to(), { name: "taking" });
    const other = await machine.start((_, ctx) => codeOf(ctx.callPlaybook(taking, () => 1)), { partition: "other" });
    expect(await other.flow.call(1)).toBe("NOT_SERIALISABLE");
  });
});

describe("an attempt that fails", () => {
  test("leaves the next one its completed playbooks, and those that failed or ran are called anew", async () => {
    const machine = new Machine();
    const attempts: number[] = [];
    const flaky = create(
      machine
        .noting("flaky", (n) => {
          if (machine.begun.filter((name) => name === "flaky").length === 1) throw new Error("not yet");
          return n + 1;
        })
        .to(),
      { name: "flaky" },
    );
    const playbook = slowPlaybook(machine);
    const work: Work = async (n, ctx) => {
      attempts.push(ctx.attempt);
      const done = await ctx.callPlaybook(playbook, n);
      return [done, await ctx.callPlaybook(flaky, n)];
    };
    const { flow } = await machine.start(work, { policy: { maxRetries: 2, backoffBaseMs: 10, jitter: 0 } });
    const called = flow.call(1);
    await machine.clock.advance(300);
    expect(await within(2_000, called)).toEqual([20, 2]);
    expect(attempts).toEqual([1, 2]);
    expect(machine.begun).toEqual(["caller", "first", "second", "flaky", "caller", "flaky"]);
  });

  test("for good leaves its completed playbooks to the retry of its trace", async () => {
    const machine = new Machine();
    let fails = true;
    const playbook = slowPlaybook(machine);
    const work: Work = async (n, ctx) => {
      const done = await ctx.callPlaybook(playbook, n);
      if (fails) throw new Error("down");
      return done;
    };
    const { flow } = await machine.start(work);
    const called = codeOf(flow.call(1, { traceId: "t" }));
    await machine.clock.advance(100);
    expect(await within(2_000, called)).toBe("NODE_EXCEPTION");
    fails = false;
    await flow.recovery.retryFailed("t");
    expect(((await within(2_000, flow.fetch({ traceId: "t" }))) as Message).payload).toBe(20);
    expect(machine.begun).toEqual(["caller", "first", "second", "caller"]);
  });

  test("by its timeout cancels its playbook", async () => {
    const machine = new Machine();
    const playbook = slowPlaybook(machine);
    const { flow } = await machine.start((n, ctx) => ctx.callPlaybook(playbook, n), { policy: { timeoutMs: 50 } });
    const called = codeOf(flow.call(1));
    await machine.clock.advance(60);
    expect(await within(2_000, called)).toBe("NODE_TIMEOUT");
    await machine.clock.advance(100);
    expect(machine.begun).toEqual(["caller", "first", "second"]);
  });
});

test("a playbook that its handler does not await is cancelled when its message commits", async () => {
  const machine = new Machine();
  let isAborted = false;
  const long = create(
    machine
      .noting("long", (_, ctx) => {
        ctx.signal.addEventListener("abort", () => (isAborted = true));
        return new Promise(() => {});
      })
      .to(),
    { name: "long", graceMs: 5 },
  );
  const { flow } = await machine.start((n, ctx) => {
    void ctx.callPlaybook(long, n);
    return n;
  });
  expect(await within(2_000, flow.call(1))).toBe(1);
  expect(isAborted).toBe(true);
  await machine.clock.advance(10);
});

describe("a playbook that fails while its handler works", () => {
  /** Creates a playbook whose handler fails when its nap is over, before it waits again. */
  function failing(machine: Machine, wait: (ctx: Context) => Promise<unknown>) {
    const napping = machine.noting("napping", async (n, ctx) => {
      if (machine.begun.filter((name) => name === "napping").length > 1) throw new Error("as planned");
      await Promise.all([ctx.sleep(10, { name: "nap" }), wait(ctx)]);
      return n;
    });
    return create(napping.to(), { name: "failing", graceMs: 5 });
  }

  test("waits for no signal any more: one goes to the handler that waits after it", async () => {
    const machine = new Machine();
    const playbook = failing(machine, (ctx) => ctx.signals("go").next());
    const { flow } = await machine.start(async (n, ctx) => {
      await ctx.callPlaybook(playbook, n).catch(() => {});
      return (await ctx.signals("go").next()).value;
    });
    const called = flow.call(1, { traceId: "t" });
    await machine.clock.advance(10);
    expect(machine.begun).toEqual(["caller", "napping", "napping", "caller"]);
    await flow.signal("t", "go", "now");
    expect(await within(2_000, called)).toBe("now");
  });

  test("waits for no signal any more, even when it fails in the step in which it begins to wait", async () => {
    const machine = new Machine();
    const hasty = machine.noting("hasty", (_, ctx) => {
      void ctx.signals("go").next();
      throw new Error("as planned");
    });
    const playbook = create(hasty.to(), { name: "hasty" });
    const { flow } = await machine.start(async (n, ctx) => {
      await ctx.callPlaybook(playbook, n).catch(() => {});
      return (await ctx.signals("go").next()).value;
    });
    const called = flow.call(1, { traceId: "t" });
    await settle();
    await flow.signal("t", "go", "now");
    expect(await within(2_000, called)).toBe("now");
  });

  test("asks no question any more: its trace waits for no answer", async () => {
    const machine = new Machine();
    const playbook = failing(machine, (ctx) => ctx.pause({ reason: "how many?" }));
    const { flow } = await machine.start(async (n, ctx) => {
      await ctx.callPlaybook(playbook, n).catch(() => {});
      await ctx.sleep(1_000, { name: "later" });
      return n;
    });
    const [pause] = pausesOf(await within(2_000, flow.outcome(1, { traceId: "t" })));
    await machine.clock.advance(10);
    expect(machine.begun).toEqual(["caller", "napping", "napping", "caller"]);
    expect(await flow.pauses.list()).toEqual([]);
    expect(await codeOf(flow.pauses.resume(pause?.token as string, 7))).toBe("PAUSE_USED");
  });

  test("leaves no answer that a handler of the next process would have to ask for", async () => {
    const machine = new Machine();
    const asking = machine.noting("asking", async (_, ctx) => {
      await ctx.pause({ reason: "how many?" });
      throw new Error("as planned");
    });
    const playbook = create(asking.to(), { name: "asking" });
    const work: Work = async (n, ctx) => {
      await ctx.callPlaybook(playbook, n).catch(() => {});
      await ctx.sleep(1_000, { name: "later" });
      return n;
    };
    const before = await machine.start(work);
    const [pause] = pausesOf(await within(2_000, before.flow.outcome(1, { traceId: "t" })));
    await before.flow.pauses.answer(pause?.token as string, 7);
    await settle();
    await before.kill();
    const after = await machine.start(work);
    await machine.clock.advance(1_000);
    expect(await after.fetch()).toBe(1);
    expect((await after.flow.ready()).changed).toEqual([]);
  });
});

describe("a playbook that has changed since the crash", () => {
  /** Leaves a trace at node "second" of a playbook. */
  async function left(machine: Machine) {
    const before = await machine.start((n, ctx) => ctx.callPlaybook(slow, n));
    const slow = slowPlaybook(machine);
    await before.emit();
    await machine.clock.advance(50);
    await before.kill();
  }

  const renamed = (machine: Machine) =>
    create(machine.noting("first").to(machine.noting("third", (n) => n * 100)), { name: "slow" });

  test("fails its trace or leaves it to a later release, as onChanged decides", async () => {
    for (const onChanged of ["fail", "park"] as const) {
      const machine = new Machine();
      await left(machine);
      const playbook = renamed(machine);
      const { flow } = await machine.start((n, ctx) => ctx.callPlaybook(playbook, n), { onChanged });
      await settle();
      const status = onChanged === "fail" ? "failed" : "parked";
      expect(await flow.recovery.unfinished()).toMatchObject([{ traceId: "t", status }]);
      const { changed } = await flow.ready();
      expect(changed).toMatchObject([{ traceId: "t", node: "second", action: status }]);
      expect(changed[0]?.problem).toContain('node "second" no longer exists');
      await flow.stop();
      if (onChanged === "fail") continue;
      const same = slowPlaybook(machine);
      const back = await machine.start((n, ctx) => ctx.callPlaybook(same, n));
      await machine.clock.advance(100);
      expect(await back.fetch()).toBe(20);
    }
  });

  test("continues at the node to which onChanged moves its message", async () => {
    const machine = new Machine();
    await left(machine);
    const playbook = renamed(machine);
    const { fetch } = await machine.start((n, ctx) => ctx.callPlaybook(playbook, n), {
      onChanged: ({ node, path, payload }) => ({
        node: node === "second" && path?.[0] === "slow" ? "third" : node,
        payload,
      }),
    });
    expect(await fetch()).toBe(200);
  });

  test("and that is not called any more is dropped with a warning when its caller's message commits", async () => {
    const machine = new Machine();
    await left(machine);
    const { fetch, flow } = await machine.start((n) => n);
    expect(await fetch()).toBe(1);
    expect(machine.logger.lines.filter(({ message }) => message === "playbook_not_called")).toHaveLength(1);
    await flow.stop();
    expect((await contentsOf(machine.checkpoints)).entries).toEqual([]);
  });
});

test("chunks and pauses of a playbook tell the playbooks they come from", async () => {
  for (const isDurable of [true, false]) {
    const inner = create(
      payloadNode("write", async (n: number, ctx) => {
        await ctx.emitChunk({ text: "x" });
        return n + (await ctx.pause<number>({ reason: "how many?" }));
      }).to(),
      { name: "inner" },
    );
    const outer = create(payloadNode("call", (n: number, ctx) => ctx.callPlaybook(inner, n)).to(), { name: "outer" });
    const caller = payloadNode("caller", async (n: number, ctx) => {
      await ctx.emitChunk({ text: "own", streamId: "own" });
      return await ctx.callPlaybook(outer, n);
    });
    const durability = durable({ checkpoints: new MemoryCheckpointStore() });
    await using flow = create(caller.to(), { logger: logbook(), ...(isDurable ? { durability } : {}) });
    flow.run();
    const seen: unknown[] = [];
    const read = async (): Promise<void> => {
      for await (const item of flow.stream(1)) {
        if (item.type === "chunk" && item.chunk.text !== "") seen.push([item.chunk.node, item.chunk.path]);
        if (item.type === "pause") seen.push([item.pause.node, item.pause.path]);
      }
    };
    expect(await codeOf(read())).toBe("TRACE_PAUSED");
    expect(seen).toEqual([
      ["caller", undefined],
      ["caller/call/write", ["outer", "inner"]],
      ["write", ["outer", "inner"]],
    ]);
  }
});
