import { AsyncLocalStorage, AsyncResource } from "node:async_hooks";
import * as fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import {
  create,
  type Flow,
  flowNode,
  type FlowOptions,
  joinK,
  type CheckpointStore,
  MemoryCheckpointStore,
  MemoryMessageBus,
  MemoryStateStore,
  type Message,
  payloadNode,
  predicateRouter,
  remoteNode,
  type RemoteTransport,
  type Schema,
  shape,
  WM,
} from "penguiflow";
import { durable } from "penguiflow/durable";
import { settle, TestClock } from "penguiflow/testing";
import { gate, passing, range, running } from "../fixtures/quiet-flow.ts";
import { logbook } from "../fixtures/watched-flow.ts";

const who = new AsyncLocalStorage<string>();
const nameOf = (caller: number): string => `caller ${caller}`;

/** The places at which user code of a flow ran, and the contexts it saw there that belonged to another caller. */
class Sights {
  readonly places = new Set<string>();
  readonly wrong = new Set<string>();

  readonly look: Look = (caller, place) => {
    this.places.add(place);
    const seen = who.getStore();
    if (seen !== nameOf(caller)) this.wrong.add(`at ${place}, ${nameOf(caller)} saw ${seen ?? "nothing"}`);
  };

  /**
   * Returns the contexts that belonged to another caller, and the places that were not reached; empty if all is well.
   */
  faults(places: readonly string[]): string[] {
    return [...this.wrong, ...places.filter((place) => !this.places.has(place))];
  }
}

type Look = (caller: number, place: string) => void;
type AnyFlow = Flow<number, unknown>;
const any = (flow: unknown): AnyFlow => flow as AnyFlow;

async function ticks(count: number): Promise<void> {
  for (let tick = 0; tick < count; tick += 1) await Promise.resolve();
}

/** Creates a node that looks before and after it awaits. */
const looking = (look: Look, name: string, policy = {}) =>
  payloadNode({ name, policy }, async (caller: number) => {
    look(caller, name);
    await ticks(1 + (caller % 3));
    look(caller, `${name} later`);
    return caller;
  });

const schema = (look: Look, place: string, isAsync: boolean): Schema<number, number> => ({
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value) => {
      look(value as number, place);
      const result = { value: value as number };
      return isAsync ? Promise.resolve(result) : result;
    },
  },
});

/** Looks from a handler that has thrown, whose error carries the caller's number. */
const retryIf = (look: Look) => (error: unknown) => {
  const caller = /\d+/.exec((error as Error).message)?.[0] ?? "";
  look(Number(caller), "retryIf");
  return true;
};

/** The user code of a flow, and the places at which it looks for each caller. */
interface Case {
  readonly places: readonly string[];
  readonly flow: (look: Look, options: FlowOptions) => AnyFlow;
}

const cases: Readonly<Record<string, Case>> = {
  "a node with concurrency 1": {
    places: ["only", "only later"],
    flow: (look, options) => any(create(looking(look, "only", { concurrency: 1 }).to(), options)),
  },
  "every node of a line": {
    places: ["first", "second later", "third"],
    flow: (look, options) => {
      const second = looking(look, "second", { concurrency: 2 });
      return any(create(looking(look, "first").to(second), second.to(looking(look, "third")), options));
    },
  },
  "a node behind full edges": {
    places: ["wide later", "narrow", "narrow later", "end"],
    flow: (look, options) => {
      const narrow = looking(look, "narrow", { concurrency: 1 });
      const edges = [looking(look, "wide").to(narrow), narrow.to(looking(look, "end", { concurrency: 1 }))] as const;
      return any(create(...edges, { ...options, queueMaxSize: 1 }));
    },
  },
  "an attempt after a backoff, and retryIf": {
    places: ["fails", "retryIf", "after"],
    flow: (look, options) => {
      const tries = new Map<number, number>();
      const policy = { maxRetries: 2, backoffBaseMs: 20, concurrency: 8, retryIf: retryIf(look) };
      const fails = payloadNode({ name: "fails", policy }, async (caller: number) => {
        look(caller, "fails");
        await ticks(caller % 2);
        tries.set(caller, (tries.get(caller) ?? 0) + 1);
        if ((tries.get(caller) ?? 0) < 3) throw new Error(`not yet, ${caller}`);
        return caller;
      });
      return any(create(fails.to(looking(look, "after")), options));
    },
  },
  "an attempt after one that took too long, retryIf, and listeners of the signal": {
    places: ["slow", "signal", "retryIf", "after"],
    flow: (look, options) => {
      const before = new Set<number>();
      const isOwn = (): boolean => {
        look(Number(/\d+/.exec(who.getStore() ?? "")?.[0]), "retryIf");
        return true;
      };
      const policy = { timeoutMs: 50, maxRetries: 1, backoffBaseMs: 10, retryIf: isOwn };
      const slow = payloadNode({ name: "slow", policy }, async (caller: number, ctx) => {
        look(caller, "slow");
        if (before.has(caller)) return caller;
        before.add(caller);
        ctx.signal.addEventListener("abort", () => look(caller, "signal"));
        await ctx.sleep(1_000_000);
        return caller;
      });
      return any(create(slow.to(looking(look, "after")), options));
    },
  },
  "the count of a join, the join and what follows": {
    places: ["left", "right later", "count", "join", "sum", "after"],
    flow: (look, options) => {
      const count = ({ payload }: Message<number>): number => {
        look(payload, "count");
        return 2;
      };
      const join = joinK("join", count, { input: schema(look, "join", true), policy: { concurrency: 1 } });
      const sum = payloadNode("sum", ([caller]: number[]) => {
        look(caller as number, "sum");
        return caller as number;
      });
      const split = payloadNode("split", (caller: number) => caller);
      const [left, right] = [looking(look, "left"), looking(look, "right", { concurrency: 1 })];
      const edges = [split.to(left, right), left.to(join), right.to(join), join.to(sum)] as const;
      return any(create(...edges, sum.to(looking(look, "after")), { ...options, queueMaxSize: 2 }));
    },
  },
  "a join of single messages in a line": {
    places: ["count", "join", "after"],
    flow: (look, options) => {
      const count = ({ payload }: Message<number>): number => {
        look(payload, "count");
        return 1;
      };
      const join = joinK("join", count, { input: schema(look, "join", true), policy: { concurrency: 1 } });
      const after = payloadNode("after", ([caller]: number[]) => look(caller as number, "after") ?? caller);
      return any(create(looking(look, "before").to(join), join.to(after), options));
    },
  },
  "two entry nodes": {
    places: ["one", "other later", "after"],
    flow: (look, options) => {
      const after = looking(look, "after", { concurrency: 3 });
      const one = payloadNode("one", (caller: number) => look(caller, "one") ?? caller);
      return any(create(one.to(after), looking(look, "other").to(after), options));
    },
  },
  "an attempt after one that took too long, of a handler without ctx": {
    places: ["slow", "after"],
    flow: (look, options) => {
      const before = new Set<number>();
      const policy = { timeoutMs: 50, maxRetries: 1, backoffBaseMs: 10 };
      const slow = payloadNode({ name: "slow", policy }, async (caller: number) => {
        look(caller, "slow");
        if (!before.has(caller)) await new Promise(() => before.add(caller));
        return caller;
      });
      return any(create(slow.to(looking(look, "after")), { ...options, graceMs: 1 }));
    },
  },
  "routers and where they lead": {
    places: ["router", "even", "odd"],
    flow: (look, options) => {
      const router = predicateRouter("router", ({ payload }: Message<number>) => {
        look(payload, "router");
        return payload % 2 === 0 ? "even" : "odd";
      });
      return any(create(router.to(looking(look, "even", { concurrency: 1 }), looking(look, "odd")), options));
    },
  },
  "playbooks and the handlers that call them": {
    places: ["inner", "inmost later", "outer", "outer later"],
    flow: (look, options) => {
      const inner = looking(look, "inner", { concurrency: 1 });
      const playbook = create(inner.to(looking(look, "inmost", { concurrency: 2 })));
      const outer = payloadNode("outer", async (caller: number, ctx) => {
        look(caller, "outer");
        await ctx.callPlaybook(playbook, caller);
        look(caller, "outer later");
        return caller;
      });
      return any(create(looking(look, "before").to(outer), outer.to(flowNode("again", playbook)), options));
    },
  },
  "side effects, sleeps and fetched messages": {
    places: ["once", "slept", "fetched"],
    flow: (look, options) => {
      const split = payloadNode("split", (caller: number) => caller);
      const [left, right] = [looking(look, "left"), looking(look, "right", { concurrency: 2 })];
      const gathers = payloadNode("gathers", async (caller: number, ctx) => {
        await ctx.once("pay", () => look(caller, "once"));
        await ctx.sleep(5);
        look(caller, "slept");
        await ctx.fetch();
        look(caller, "fetched");
        return caller;
      });
      return any(create(split.to(left, right), left.to(gathers), right.to(gathers), options));
    },
  },
  "schemas that answer at once and later": {
    places: ["sync in", "sync out", "async in", "async out"],
    flow: (look, options) => {
      const pass = (name: "sync" | "async") => {
        const schemaOf = (side: string) => schema(look, `${name} ${side}`, name === "async");
        const checked = { name, input: schemaOf("in"), output: schemaOf("out"), policy: { concurrency: 2 } };
        return payloadNode(checked, async (caller: number) => {
          await ticks(1);
          return caller;
        });
      };
      return any(create(pass("sync").to(pass("async")), options));
    },
  },
  "what is emitted, also from within a context of the handler's own": {
    places: ["emits", "target later"],
    flow: (look, options) => {
      const emits = payloadNode("emits", async (caller: number, ctx) => {
        look(caller, "emits");
        await who.run("the handler's own", () => ctx.emit(caller));
      });
      const target = looking(look, "target", { concurrency: 1 });
      return any(create(emits.to(target), { ...options, queueMaxSize: 1 }));
    },
  },
  "the rounds of a controller": {
    places: ["round"],
    flow: (look, options) => {
      const begin = payloadNode("begin", (caller: number) => new WM<number>({ query: "", facts: [caller] }));
      const round = payloadNode(
        { name: "round", allowCycle: true, policy: { concurrency: 2 } },
        async (memory: WM<number>) => {
          look(memory.facts[0] as number, "round");
          await ticks(1);
          return memory.hops < 3 ? memory : { caller: memory.facts[0] };
        },
      );
      return any(create(begin.to(round), round.to(round), options));
    },
  },
  "calls of remote agents": {
    places: ["send", "after"],
    flow: (look, options) => {
      const none = async function* () {};
      const transport: RemoteTransport = {
        send: async ({ message }) => {
          look(message.payload as number, "send");
          await ticks(2);
          return { result: message.payload };
        },
        stream: none,
        resubscribe: none,
        cancel: async () => {},
      };
      const [input, output] = [shape<number>(), shape<number>()];
      const how = { transport, agentUrl: "agent", skill: "echo", input, output, policy: { concurrency: 3 } };
      return any(create(remoteNode("ask", how).to(looking(look, "after")), options));
    },
  },
};

/** The ways to call a flow, each until all its user code has run. */
const ways: Readonly<Record<string, (flow: AnyFlow, caller: number) => Promise<unknown>>> = {
  call: (flow, caller) => flow.call(caller),
  outcome: (flow, caller) => flow.outcome(caller),
  emit: async (flow, caller) => await flow.fetch({ traceId: await flow.emit(caller) }),
  // begun here, and read in another context
  stream: async (flow, caller) => {
    const items = flow.stream(caller);
    return await who.run("the reader", async () => {
      for await (const item of items) if (item.type === "result") return item.result;
      return undefined;
    });
  },
};

const kinds: Readonly<Record<string, () => FlowOptions>> = {
  "a flow": () => ({}),
  "a flow with observers": () => ({ middlewares: [() => {}], stateStore: new MemoryStateStore() }),
  "a durable flow": () => ({ durability: durable({ checkpoints: new MemoryCheckpointStore() }) }),
};

/** Calls for many callers at once, each in its own context, while time advances in another. */
async function askForAll(flow: AnyFlow, clock: TestClock, ask: (caller: number) => Promise<unknown>): Promise<void> {
  flow.run();
  const asked = range(100).map((caller) => who.run(nameOf(caller), () => ask(caller)));
  await who.run("the one who advances time", () => passing(clock, Promise.all(asked), 10));
  await passing(clock, flow.stop());
}

describe.each(Object.keys(kinds))("in %s", (kind) => {
  describe.each(Object.keys(ways))("asked by %s", (way) => {
    test.each(Object.keys(cases))("%s: user code sees the async context of its own caller", async (name) => {
      const { flow: make, places } = cases[name] as Case;
      const sights = new Sights();
      const clock = new TestClock();
      const flow = make(sights.look, { clock, logger: logbook(), ...kinds[kind]?.() });
      await askForAll(flow, clock, (caller) => ways[way]?.(flow, caller) as Promise<unknown>);
      expect(sights.faults(places)).toEqual([]);
    });
  });
});

describe("a handler that is called again after a pause", () => {
  test.each(Object.keys(kinds))("sees its first caller, regardless of the resuming one, in %s", async (kind) => {
    const sights = new Sights();
    const clock = new TestClock();
    const asks = payloadNode({ name: "asks", policy: { concurrency: 2 } }, async (caller: number, ctx) => {
      sights.look(caller, "asks");
      const resumeSchema = schema((_, place) => sights.look(caller, place), "answer", true);
      const answer = await ctx.pause<number>({ reason: "how many?", resumeSchema });
      sights.look(caller, "answered");
      return answer;
    });
    const options = { clock, logger: logbook(), ...kinds[kind]?.() };
    const flow = any(create(asks.to(looking(sights.look, "after")), options));
    await askForAll(flow, clock, async (caller) => {
      const outcome = await flow.outcome(caller);
      if (outcome.status !== "paused") throw new Error(outcome.status);
      const token = outcome.pauses[0]?.token as string;
      return await who.run("the one who resumes", () => flow.pauses.resume(token, caller));
    });
    expect(sights.faults(["asks", "answer", "answered", "after"])).toEqual([]);
  });
});

describe("a trace of an earlier process", () => {
  const stopped = async (
    checkpoints: MemoryCheckpointStore,
    handler: (caller: number) => unknown,
    traces: readonly number[],
  ) => {
    const work = payloadNode({ name: "work", policy: { concurrency: 1 } }, handler);
    const flow = create(work.to(), { durability: durable({ checkpoints }), logger: logbook(), graceMs: 1 }).run();
    for (const n of traces) await who.run("the first process", () => flow.emit(n, { traceId: `left ${n}` }));
    await settle();
    await flow.stop();
  };

  test("continues in an empty async context, also when another trace's end starts it", async () => {
    const checkpoints = new MemoryCheckpointStore();
    await stopped(checkpoints, () => new Promise(() => {}), [1, 2]);
    const seen: [number, string, string | undefined][] = [];
    const doors = [gate(), gate(), gate()] as const;
    const input = schema((n, place) => seen.push([n, place, who.getStore()]), "input", false);
    const work = payloadNode({ name: "work", input, policy: { concurrency: 1 } }, async (n: number) => {
      seen.push([n, "handler", who.getStore()]);
      await doors[n]?.passed;
      return n;
    });
    const flow = create(work.to(), { durability: durable({ checkpoints }), logger: logbook() });
    await who.run("the one who starts it", async () => await flow.run().ready());
    const asked = who.run("the caller", () => flow.call(0, { priority: 9 }));
    await settle();
    for (const n of [1, 0, 2] as const) {
      doors[n].open();
      await settle();
    }
    await asked;
    await flow.stop();
    const handled = seen.filter(([, place]) => place === "handler").map(([n, , by]) => [n, by]);
    expect(handled).toEqual([
      [1, undefined],
      [0, "the caller"],
      [2, undefined],
    ]);
    expect(new Set(seen.filter(([n]) => n > 0).map(([, , by]) => by))).toEqual(new Set([undefined]));
  });

  test("that is retried continues in the async context of the one who tries", async () => {
    const checkpoints = new MemoryCheckpointStore();
    await stopped(checkpoints, () => Promise.reject(new Error("failed")), [1]);
    const seen: unknown[] = [];
    const work = payloadNode("work", (caller: number) => {
      seen.push(who.getStore());
      return caller;
    });
    const flow = create(work.to(), { durability: durable({ checkpoints }), logger: logbook() }).run();
    await flow.ready();
    await who.run("the operator", () => flow.recovery.retryFailed("left 1"));
    await flow.fetch({ traceId: "left 1" });
    await flow.stop();
    expect(seen).toEqual(["the operator"]);
  });
});

describe("a call within a handler", () => {
  test("is made in the async context that the handler gives it", async () => {
    const seen: unknown[] = [];
    const work = payloadNode("work", (n: number): unknown => {
      seen.push(who.getStore());
      return n === 0 ? n : who.run("the handler's own", () => flow.call(0));
    });
    const flow: AnyFlow = running(any(create(work.to())));
    await who.run("the caller", () => flow.call(1));
    expect(seen).toEqual(["the caller", "the handler's own"]);
  });
});

describe("an open trace", () => {
  test("stays in the async context of the emit that began it", async () => {
    const seen: unknown[] = [];
    const door = gate();
    const work = payloadNode({ name: "work", policy: { ordering: "none" } }, async (n: number) => {
      seen.push(who.getStore());
      if (n === 1) await door.passed;
      return n;
    });
    const flow = running(create(work.to()));
    await who.run("the first", () => flow.emit(1, { traceId: "open" }));
    await who.run("the second", () => flow.emit(2, { traceId: "open" }));
    door.open();
    await flow.fetch({ traceId: "open" });
    await flow.fetch({ traceId: "open" });
    expect(seen).toEqual(["the first", "the first"]);
  });
});

describe("a handler that calls enterWith", () => {
  test("changes the async context of no other trace", async () => {
    const seen: unknown[] = [];
    const door = gate();
    const enters = payloadNode({ name: "enters", policy: { concurrency: 1 } }, async (n: number) => {
      seen.push(who.getStore());
      who.enterWith(`entered by ${n}`);
      await door.passed;
    });
    const flow = running(create(enters.to()));
    const asked = range(5).map((caller) => who.run(nameOf(caller), () => flow.outcome(caller)));
    door.open();
    await Promise.all(asked);
    expect(seen).toEqual(range(5).map(nameOf));
  });
});

describe("what belongs to no trace", () => {
  test("runs in an empty async context: observers, stores, checkpoint stores and weights", async () => {
    const seen = new Map<string, Set<string | undefined>>();
    const note = (place: string) => {
      seen.set(place, (seen.get(place) ?? new Set()).add(who.getStore()));
    };
    const clock = new TestClock();
    const flow = looksOn(note, clock);
    who.run("the one who starts it", () => flow.run());
    const asked = range(20).map((caller) => who.run(nameOf(caller), () => flow.call(caller)));
    await who.run("the one who advances time", () => passing(clock, Promise.all(asked)));
    await who.run("the one who advances time", () => clock.advance(60_000));
    await passing(
      clock,
      who.run("a late caller", () => flow.call(0)),
    );
    await passing(clock, flow.flush());
    await passing(clock, flow.stop());
    const observers = ["weights", "recorder", "middleware", "middleware later", "store", "bus"];
    const places = [...observers, "checkpoint store open", "checkpoint store append", "checkpoint store renew"];
    expect(Object.fromEntries(seen)).toEqual(Object.fromEntries(places.map((place) => [place, new Set([undefined])])));
  });

  test("keeps nothing of a request in which the module was loaded", async () => {
    vi.resetModules();
    const core = await who.run("the request that loaded it", () => import("penguiflow"));
    const seen: unknown[] = [];
    const work = core.payloadNode("work", (n: number) => n);
    const flow = core.create(work.to(), { middlewares: [() => void seen.push(who.getStore())] }).run();
    await who.run("another", () => flow.call(1));
    await flow.stop();
    expect(core.create).not.toBe(create);
    expect([...new Set(seen)]).toEqual([undefined]);
  });

  function looksOn(note: (place: string) => void, clock: TestClock): AnyFlow {
    const [stateStore, messageBus, memory] = [
      new MemoryStateStore(),
      new MemoryMessageBus(),
      new MemoryCheckpointStore(),
    ];
    vi.spyOn(stateStore, "saveEvents").mockImplementation(async () => note("store"));
    vi.spyOn(messageBus, "publish").mockImplementation(async () => note("bus"));
    const open: CheckpointStore["open"] = async (options) => {
      note("checkpoint store open");
      const partition = await memory.open(options);
      const [append, renew] = [partition.append.bind(partition), partition.renew.bind(partition)];
      vi.spyOn(partition, "append").mockImplementation((batch, sequence) => {
        note("checkpoint store append");
        return append(batch, sequence);
      });
      vi.spyOn(partition, "renew").mockImplementation(() => {
        note("checkpoint store renew");
        return renew();
      });
      return partition;
    };
    const middleware = async () => {
      note("middleware");
      await ticks(1);
      note("middleware later");
    };
    const options: FlowOptions = {
      clock,
      stateStore,
      messageBus,
      durability: durable({ checkpoints: { open } }),
      recorder: () => note("recorder"),
      middlewares: [middleware],
      tenantWeights: () => note("weights") ?? 1,
    };
    return any(create(looking(() => {}, "work", { concurrency: 1 }).to(), options));
  }
});

describe("a signal of a trace", () => {
  test("has its listeners called in the async context of the one who asked for it", async () => {
    const seen: unknown[] = [];
    const waits = payloadNode("waits", (_: number, ctx) => ctx.sleep(1_000_000));
    const flow = running(create(waits.to()));
    const asked = who.run("the caller", () => flow.outcome(1, { traceId: "one" }));
    who
      .run("the one who asks", () => flow.ensureTraceSignal("one"))
      .addEventListener("abort", () => seen.push(who.getStore()));
    const cancel = async () => void seen.push(who.getStore());
    who.run("the one who registers", () => flow.registerExternalTask("one", { cancel }));
    await who.run("the one who cancels", () => flow.cancel("one"));
    await asked;
    expect(seen).toEqual(["the one who asks", "the one who registers"]);
  });
});

describe("the option asyncScope", () => {
  test("captures the contexts of a host that has them in another way", async () => {
    let captured = 0;
    const sights = new Sights();
    const asyncScope = () => {
      captured += 1;
      return new AsyncResource("ANOTHER");
    };
    const flow = running(cases["a node with concurrency 1"]?.flow(sights.look, { asyncScope }) as AnyFlow);
    await Promise.all(range(5).map((caller) => who.run(nameOf(caller), () => flow.call(caller))));
    expect(sights.faults(["only", "only later"])).toEqual([]);
    // the first started at once, and one was captured for work of no trace
    expect(captured).toBe(5);
  });

  test("must be a function", () => {
    const options = { asyncScope: new AsyncResource("ONE") } as unknown as FlowOptions;
    expect(() => create(looking(() => {}, "n").to(), options)).toThrow(
      new TypeError('Option "asyncScope" must be a function: got an object'),
    );
  });
});

describe("any graph", () => {
  const plan = fc.record({
    concurrency: fc.constantFrom(1, 2, 64),
    ticks: fc.nat(2),
    failures: fc.nat(1),
    isSync: fc.boolean(),
    emits: fc.boolean(),
    sleeps: fc.boolean(),
    ordering: fc.constantFrom("trace" as const, "none" as const),
  });
  const graphs = fc.record({
    nodes: fc.array(plan, { minLength: 2, maxLength: 5 }),
    edges: fc.array(fc.boolean(), { minLength: 10, maxLength: 10 }),
    queueMaxSize: fc.constantFrom(1, 2, 64),
    isWatched: fc.boolean(),
    isDurable: fc.boolean(),
    callers: fc.integer({ min: 2, max: 12 }),
  });

  test("has each handler see the async context of its own caller", async () => {
    const examine = fc.asyncProperty(graphs, async ({ nodes, edges, queueMaxSize, isWatched, isDurable, callers }) => {
      const sights = new Sights();
      const clock = new TestClock();
      const made = nodes.map(({ concurrency, ordering, ...how }, index) => {
        const name = `n${index}`;
        const failed = new Set<number>();
        const policy = {
          concurrency,
          ordering,
          maxRetries: how.failures,
          backoffBaseMs: 7,
          retryIf: retryIf(sights.look),
        };
        const before = (caller: number): void => {
          sights.look(caller, name);
          if (how.failures === 0 || failed.has(caller)) return;
          failed.add(caller);
          throw new Error(`not yet, ${caller}`);
        };
        if (how.isSync)
          return payloadNode({ name, policy }, (caller: number) => {
            before(caller);
            return caller;
          });
        return payloadNode({ name, policy }, async (caller: number, ctx) => {
          await ticks(how.ticks);
          before(caller);
          if (how.sleeps) await ctx.sleep(3);
          if (how.emits) await who.run("the handler's own", () => ctx.emit(caller));
          sights.look(caller, `${name} later`);
          return how.emits ? undefined : caller;
        });
      });
      let bit = 0;
      const graph = made.map((node, index) => {
        const later = made.slice(index + 1).filter((_, offset) => edges[bit++] === true || offset === 0);
        return node.to(...later);
      });
      const flow = any(
        create(...(graph as [(typeof graph)[number]]), {
          clock,
          queueMaxSize,
          logger: logbook(),
          ...(isWatched ? { middlewares: [() => {}] } : {}),
          ...(isDurable ? { durability: durable({ checkpoints: new MemoryCheckpointStore() }) } : {}),
        }),
      ).run();
      const asked = range(callers).map((caller) => who.run(nameOf(caller), () => flow.outcome(caller)));
      const outcomes = await who.run("time", () => passing(clock, Promise.all(asked), 5));
      await passing(clock, flow.stop());
      expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(["completed"]));
      expect(sights.faults(["n0"])).toEqual([]);
    });
    await fc.assert(examine, { numRuns: 150 });
  });
});
