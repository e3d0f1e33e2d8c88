import {
  type Context,
  create,
  createFrom,
  type Flow,
  flowNode,
  FlowNode,
  joinK,
  type Message,
  node,
  payloadNode,
  predicateRouter,
  shape,
  unionRouter,
  type WM,
} from "penguiflow";
import { formatFindings, lintFlow } from "penguiflow/lint";
import { describe, expect, test } from "vitest";

const pass = <const Name extends string>(name: Name) => payloadNode(name, (value: number) => value);
const sum = <const Name extends string>(name: Name) => payloadNode(name, (values: number[]) => values.length);
const found = (flow: Parameters<typeof lintFlow>[0]) => lintFlow(flow).map(({ rule, nodes }) => [rule, ...nodes]);

const [a, b, c, d] = [pass("a"), pass("b"), pass("c"), pass("d")];

describe("a join never fills", () => {
  const pair = joinK("pair", 2, { input: shape<number>() });
  const end = sum("end");
  const starved = [
    ["join-never-fills", "pair"],
    ["unreachable-node", "end"],
  ];

  test("when fewer branches lead to it than it waits for", () => {
    expect(found(create(a.to(b), b.to(pair), pair.to(end)))).toEqual(starved);
    expect(found(create(a.to(b, c), b.to(pair), c.to(pair), pair.to(end)))).toEqual([]);
  });

  test("when all that leads to it is one way of a union router", () => {
    const variant = shape<{ kind: "left"; n: number } | { kind: "right"; n: number }>();
    const left = payloadNode("left", (value: { n: number }) => value.n);
    const right = payloadNode("right", (value: { n: number }) => value.n);
    const either = unionRouter("either", variant);
    expect(found(create(either.to(left, right), left.to(pair), right.to(pair), pair.to(end)))).toEqual(starved);

    const steered = unionRouter("either", variant, { policy: { select: () => ["left", "right"] } });
    expect(found(create(steered.to(left, right), left.to(pair), right.to(pair), pair.to(end)))).toEqual([]);
  });

  test("unless one way of a union router brings enough", () => {
    const either = unionRouter("either", shape<{ kind: "left" } | { kind: "right" }>());
    const [left, right] = [payloadNode("left", () => 1), payloadNode("right", () => 1)];
    const flow = create(either.to(left, right), left.to(pair), right.to(b, c), b.to(pair), c.to(pair), pair.to(end));
    expect(found(flow)).toEqual([]);
  });

  test("when the joins it counts on never fill themselves", () => {
    const halves = [
      joinK("left", 2, { input: shape<number>() }),
      joinK("right", 2, { input: shape<number>() }),
    ] as const;
    const [first, second] = [sum("first"), sum("second")];
    const flow = create(
      a.to(pair, ...halves),
      pair.to(end),
      halves[0].to(first),
      halves[1].to(second),
      first.to(pair),
      second.to(pair),
    );
    expect(found(flow)).toEqual([
      ["join-never-fills", "pair"],
      ["join-never-fills", "left"],
      ["join-never-fills", "right"],
      ["unreachable-node", "end", "first", "second"],
    ]);
  });

  test("unless a predicate may choose several", () => {
    const route = predicateRouter("route", (_: Message<number>) => ["b", "c"] as const);
    expect(found(create(a.to(route), route.to(b, c), b.to(pair), c.to(pair), pair.to(end) as never))).toEqual([]);
  });

  test("unless a handler may send several", () => {
    const emits = node("several", async (message: Message<number>, ctx) => {
      await ctx.emit(message.payload);
      await ctx.emit(message.payload);
    });
    const hands = payloadNode("several", async (value: number, ctx) => mayEmit(value, ctx));
    const rest = payloadNode("several", (...args: [number, Context?]) => args[0]);
    const native = payloadNode("several", mayEmit.bind({}));
    const taken = payloadNode("several", (value: number, { ...all }: Context) => mayEmit(value, all as Context));
    for (const first of [emits, hands, rest, native, taken])
      expect(found(create(first.to(pair as never), pair.to(end)))).toEqual([]);
  });

  test("when the handler asks its context for something else", () => {
    const sleeps = payloadNode("asks", async (value: number, ctx) => {
      await ctx.sleep(1);
      return `${value} ${ctx.traceId}`.length;
    });
    const taken = payloadNode("asks", (value: number, { signal }: Context) => (signal.aborted ? 0 : value));
    const quoted = payloadNode("asks", (value: number, ctx) =>
      ctx.node === "ctx.emit(`)" ? 0 : /[/"]ctx\)/.test("") ? 1 : value,
    );
    const named = payloadNode("asks", (value: { ctx: number }, ctx) => value.ctx + ctx.attempt);
    expect(found(create(named.to(pair), pair.to(end)))).toEqual(starved);
    for (const first of [sleeps, taken, quoted]) expect(found(create(first.to(pair), pair.to(end)))).toEqual(starved);
  });

  test("when it waits for what comes behind it", () => {
    const back = pass("back");
    const loop = payloadNode({ name: "loop", boundsLoop: true }, (values: number[]) => values.length);
    const flow = create(a.to(pair), pair.to(loop), loop.to(back, d), back.to(pair), { allowCycles: true });
    expect(found(flow)).toEqual([
      ["join-never-fills", "pair"],
      ["unreachable-node", "loop", "back", "d"],
    ]);
  });

  test("unless a cycle before it sends as many as one likes", () => {
    const again = payloadNode({ name: "again", boundsLoop: true }, (value: number) => value);
    const flow = create(a.to(b), b.to(again), again.to(b, pair), pair.to(end), { allowCycles: true });
    expect(found(flow)).toEqual([]);
  });

  test("when a controller before it sends one message when it is done", () => {
    const loop = node({ name: "loop", allowCycle: true }, (message: Message<WM>) =>
      message.payload.hops > 2 ? 1 : message.payload,
    );
    expect(found(create(loop.to(loop, pair), pair.to(end)))).toEqual(starved);
  });

  test("when the joins before it make too few", () => {
    const [one, two, three] = [pass("one"), pass("two"), pass("three")];
    const left = joinK("left", 2, { input: shape<number>() });
    const right = joinK("right", 2, { input: shape<number>() });
    const [first, second] = [sum("first"), sum("second")];
    const make = (count: number) => {
      const last = joinK("last", count, { input: shape<number>() });
      return create(
        a.to(b, one, two, three),
        b.to(left),
        one.to(left),
        two.to(right),
        three.to(right),
        left.to(first),
        right.to(second),
        first.to(last),
        second.to(last),
      );
    };
    expect(found(make(2))).toEqual([]);
    expect(found(make(3))).toEqual([["join-never-fills", "last"]]);
  });

  test("however many thirds make one", () => {
    const spread = Array.from({ length: 10 }, (_, index) => pass(`s${index}`));
    const ten = joinK("ten", 10, { input: shape<number>() });
    const one = joinK("one", 1, { input: shape<number[]>() });
    const flow = create(a.to(...spread), ...spread.map((each) => each.to(ten)), ten.to(one as never));
    expect(found(flow)).toEqual([]);
  });

  test("unless it may stay short, or its group says how long it is", () => {
    const short = joinK("pair", 2, { input: shape<number>(), whenShort: "emit" });
    const dynamic = joinK("pair", (first: Message<number>) => first.payload, { input: shape<number>() });
    for (const join of [short, dynamic]) expect(found(create(a.to(join), join.to(end)))).toEqual([]);
  });

  test("and says how many come", () => {
    const [finding] = lintFlow(create(a.to(pair)));
    expect(finding?.severity).toBe("error");
    expect(finding?.reason).toMatch(/at most 1 of the 2 messages/);
  });
});

describe("a dead end", () => {
  test("is a router without choice", () => {
    const route = predicateRouter("route", (message: Message<number>) => (message.payload > 1 ? "b" : "c"));
    expect(found(create(a.to(route)))).toEqual([["dead-end", "route"]]);
    expect(found(create(a.to(route), route.to(b, c)))).toEqual([]);
  });

  test("is a cycle without way out", () => {
    const bounded = payloadNode({ name: "bounded", boundsLoop: true }, (value: number) => value);
    const leaves = node({ name: "bounded", boundsLoop: true }, async (message: Message<number>, ctx) => {
      if (message.payload > 3) await ctx.emit(message, { to: "Rookery" });
      else await ctx.emit(message.payload + 1, { to: b });
    });
    const options = { allowCycles: true };
    expect(found(create(a.to(b), b.to(bounded), bounded.to(b), options))).toEqual([["dead-end", "b", "bounded"]]);
    expect(found(create(a.to(b), b.to(bounded), bounded.to(b, c), options))).toEqual([]);
    const hands = node({ name: "bounded", boundsLoop: true }, (message: Message<number>, ctx): Promise<void> =>
      mayEmit(message.payload, ctx),
    );
    for (const last of [leaves, hands])
      expect(found(create(a.to(b), b.to(last), last.to(b as never), options))).toEqual([]);
    const route = predicateRouter("route", (message: Message<number>): string =>
      message.payload > 1 ? "b" : "bounded",
    );
    expect(found(create(a.to(b), b.to(bounded), bounded.to(route), route.to(b, bounded), options))).toEqual([
      ["dead-end", "b", "bounded", "route"],
    ]);
  });
});

describe("a loop without budget", () => {
  test("is an unbounded cycle of several nodes", () => {
    const flow = create(a.to(b), b.to(c), c.to(b, d), { allowCycles: true });
    expect(found(flow)).toEqual([["loop-without-budget", "b", "c"]]);
  });

  test("is not a controller, whose working memory counts its hops", () => {
    const loop = node({ name: "loop", allowCycle: true }, (message: Message<WM>) => message.payload);
    expect(found(create(loop.to(loop)))).toEqual([]);
  });

  test("is a router that may choose itself", () => {
    const route = predicateRouter("route", (message: Message<number>): string => (message.payload > 1 ? "route" : "b"));
    const flow = create(route.to(route, b), { allowCycles: true });
    expect(found(flow)).toEqual([["loop-without-budget", "route"]]);
  });
});

describe("a cycle that is prone to deadlock", () => {
  const bounded = payloadNode({ name: "bounded", boundsLoop: true }, (value: number) => value);
  const options = { allowCycles: true };

  test("makes several messages of each", () => {
    const flow = create(a.to(bounded), bounded.to(b, c), b.to(bounded), c.to(bounded, d), options);
    expect(found(flow)).toEqual([["deadlock-prone-cycle", "bounded", "b", "c"]]);
  });

  test("emits several messages for each", () => {
    const twice = node({ name: "twice", boundsLoop: true }, async (message: Message<number>, ctx) => {
      await ctx.emit(message.payload + 1);
      await ctx.emit(message.payload + 2);
    });
    expect(found(create(a.to(twice), twice.to(b), b.to(twice as never, d), options))).toEqual([
      ["deadlock-prone-cycle", "twice", "b"],
    ]);
  });

  test("is none where a join makes one of them again", () => {
    const pair = joinK("pair", 2, { input: shape<number>() });
    const again = sum("again");
    const flow = create(
      a.to(bounded),
      bounded.to(b, c),
      b.to(pair),
      c.to(pair),
      pair.to(again),
      again.to(bounded, d),
      options,
    );
    expect(found(flow)).toEqual([]);
  });

  test("is none where a handler names the successor, or passes on the context that can", () => {
    const send = async (value: number, ctx: Context): Promise<void> => await ctx.emit(value, { to: "b" });
    const named = async (value: number, ctx: Context): Promise<void> => await ctx.emit(value, { to: "b" });
    const passedOn = async (value: number, ctx: Context): Promise<void> => await send(value, ctx);
    for (const handler of [named, passedOn]) {
      const choose = payloadNode({ name: "choose", boundsLoop: true }, handler);
      const flow = createFrom([a.to(choose), choose.to(b, c, d), b.to(choose), c.to(choose)], options);
      expect(found(flow)).toEqual([]);
    }
  });

  test("is none where a route chooses the successor", () => {
    const routed = payloadNode({ name: "routed", boundsLoop: true, route: () => "b" }, (value: number) => value);
    expect(found(create(a.to(routed), routed.to(b, c), b.to(routed), c.to(routed, d), options))).toEqual([]);
  });

  test("is none where a router chooses the way", () => {
    const route = predicateRouter("route", (message: Message<number>) => (message.payload > 9 ? "d" : "bounded"));
    expect(found(create(a.to(bounded), bounded.to(route), route.to(bounded, d), options))).toEqual([]);
  });
});

describe("retries", () => {
  const retried = { policy: { maxRetries: 2 } };
  const steady = payloadNode({ name: "steady", ...retried }, (value: number) => value);

  test("multiply in a subflow", () => {
    const inner = create(steady.to());
    expect(found(create(flowNode("outer", inner, retried).to(b)))).toEqual([
      ["nested-retries", "outer", "outer/steady"],
    ]);
    expect(found(create(flowNode("outer", inner).to(b)))).toEqual([]);
    expect(found(create(flowNode("outer", create(a.to()), retried).to(b)))).toEqual([]);
  });

  test("multiply in playbooks that a node says it calls", () => {
    const playbook = () => create(steady.to());
    const caller = (calls: readonly (typeof playbook)[]) =>
      payloadNode({ name: "caller", ...retried, calls }, (value: number, ctx) => ctx.callPlaybook(playbook, value));
    expect(found(create(caller([playbook]).to()))).toEqual([["nested-retries", "caller", "caller/steady"]]);
    expect(found(create(caller([]).to()))).toEqual([]);
  });

  test("are told once for all levels, with the product", () => {
    const third = create(steady.to());
    const second = create(flowNode("second", third, retried).to());
    const first = create(flowNode("first", second, retried).to());
    const [finding, ...others] = lintFlow(create(flowNode("top", first).to()));
    expect(others).toEqual([]);
    expect(finding?.nodes).toEqual(["top/first", "top/first/second", "top/first/second/steady"]);
    expect(finding?.reason).toMatch(
      /makes 3 attempts, each of which may make 9 at "top\/first\/second\/steady", 27 in all/,
    );
  });

  test("are counted once where a playbook calls itself", () => {
    const again = (): Flow<never, unknown> =>
      create(payloadNode({ name: "again", ...retried, calls: [again] }, (value: number) => value).to());
    expect(found(again())).toEqual([["nested-retries", "again", "again/again"]]);
  });

  test("of a node that writes repeat what it wrote", () => {
    const write = (effects: "reads" | "writes" | "idempotent", maxRetries: number) =>
      create(
        payloadNode({ name: "write", effects, policy: { timeoutMs: 1, maxRetries } }, (value: number) => value).to(),
      );
    expect(found(write("writes", 1))).toEqual([["retried-writes", "write"]]);
    expect(found(write("writes", 0))).toEqual([]);
    expect(found(write("idempotent", 1))).toEqual([]);
    expect(found(write("reads", 1))).toEqual([]);
    expect(found(create(flowNode("outer", write("writes", 0), retried).to()))).toEqual([
      ["retried-writes", "outer", "outer/write"],
    ]);
    const between = create(flowNode("between", write("writes", 0)).to());
    expect(found(create(flowNode("outer", between, retried).to()))).toEqual([
      ["retried-writes", "outer", "outer/between/write"],
    ]);
  });
});

describe("a node that talks to the outside without a timeout", () => {
  const reader = (timeoutMs?: number) =>
    payloadNode(
      { name: "read", effects: "reads", policy: timeoutMs === undefined ? {} : { timeoutMs } },
      (value: number) => value,
    );

  test("is found when it says so, or is remote", () => {
    expect(found(create(reader().to()))).toEqual([["io-without-timeout", "read"]]);
    expect(found(create(reader(100).to()))).toEqual([]);
    expect(found(create(payloadNode({ name: "pure", effects: "none" }, (value: number) => value).to()))).toEqual([]);
    const remote = new FlowNode<"agent", number, number>({
      name: "agent",
      kind: "remote",
      style: "payload",
      handler: (value: number) => value,
    });
    expect(found(create(remote.to()))).toEqual([["io-without-timeout", "agent"]]);
  });

  test("is not found in a playbook whose caller has one", () => {
    const inner = create(reader().to());
    expect(found(create(flowNode("outer", inner).to()))).toEqual([["io-without-timeout", "outer/read"]]);
    expect(found(create(flowNode("outer", inner, { policy: { timeoutMs: 100 } }).to()))).toEqual([]);
    const between = create(flowNode("between", inner).to());
    expect(found(create(flowNode("outer", between, { policy: { timeoutMs: 100 } }).to()))).toEqual([]);
  });
});

describe("a handler that emits and returns a value", () => {
  test.for<[what: string, handler: (message: Message<number>, ctx: Context<unknown, number>) => unknown]>([
    [
      "one after the other",
      async (message, ctx) => {
        await ctx.emit(1);
        return message;
      },
    ],
    [
      "between texts that look like code",
      async (message, ctx) => {
        const brace = /["'`{]/.test("") ? "" : `${message.payload}{ return`;
        await ctx.emit(1); // } return;
        return brace.length / 2 / 3;
      },
    ],
    [
      "in a loop",
      async function each(message, ctx) {
        for (const part of [1, 2]) await ctx.emit(part);
        return message.payload;
      },
    ],
    [
      "in the braces of a loop and of try",
      async (message, ctx) => {
        try {
          while (ctx.attempt < 0) {
            ctx.emitNowait(message.payload);
          }
        } finally {
          await ctx.sleep(0);
        }
        return { "}": `}${message.payload}` };
      },
    ],
  ])("is found: %s", ([, handler]) => {
    expect(found(create(node("both", handler as never).to(b as never)))).toEqual([["returns-and-emits", "both"]]);
  });

  test.for<[what: string, handler: (message: Message<number>, ctx: Context<unknown, number>) => unknown]>([
    [
      "it returns nothing",
      async (_, ctx) => {
        await ctx.emit(1);
        return;
      },
    ],
    [
      "it returns undefined, or what emit returns",
      async (_, ctx) => {
        await ctx.emit(1);
        return await ctx.emit(2);
      },
    ],
    [
      "it says who gets what is emitted",
      async (message, ctx) => {
        await ctx.emit(1, { to: "b" });
        return message;
      },
    ],
    [
      "it does one or the other",
      async (message, ctx) => {
        if (message.payload > 1) await ctx.emit(1);
        if (message.payload > 2) {
          await ctx.emit(2);
          return undefined;
        } else return message;
      },
    ],
    [
      "it returns early from a loop",
      async (message, ctx) => {
        for (const part of [1, 2]) {
          await ctx.emit(part);
          if (part > message.payload) return part;
        }
        return undefined;
      },
    ],
    [
      "it returns in a loop that may not run",
      async (message, ctx) => {
        while (message.payload > 1) {
          await ctx.emit(1);
          return message;
        }
        return undefined;
      },
    ],
    [
      "a function inside of it returns",
      async (_, ctx) => {
        await ctx.emit(1);
        [1].map((one) => {
          return one;
        });
      },
    ],
    [
      "a function inside of it emits",
      (message, ctx) => {
        const later = () => {
          void ctx.emit(1);
        };
        return later.length + message.payload;
      },
    ],
    ["it is one expression", (message, ctx) => ctx.emit(message)],
  ])("is not found where %s", ([, handler]) => {
    expect(found(create(node("one", handler as never).to(b as never)))).toEqual([]);
  });

  test("is not found at a controller, which may send its news onward and its memory to itself", () => {
    const loop = node({ name: "loop", allowCycle: true }, async (message: Message<WM>, ctx) => {
      await ctx.emit("news");
      return message.payload;
    });
    expect(found(create(loop.to(loop)))).toEqual([]);
  });
});

describe("lintFlow", () => {
  test("puts errors first and is the same each time", () => {
    const write = payloadNode(
      { name: "write", effects: "writes", policy: { maxRetries: 1 } },
      (value: number) => value,
    );
    const flow = create(write.to(joinK("pair", 2, { input: shape<number>() })));
    expect(found(flow)).toEqual([
      ["join-never-fills", "pair"],
      ["retried-writes", "write"],
      ["io-without-timeout", "write"],
    ]);
    expect(lintFlow(flow)).toEqual(lintFlow(flow));
  });

  test("looks at a playbook once, however many call it", () => {
    const inner = create(payloadNode({ name: "read", effects: "reads" }, (value: number) => value).to());
    const flow = create(flowNode("one", inner).to(flowNode("two", inner)));
    expect(found(flow)).toEqual([["io-without-timeout", "one/read"]]);
  });

  test("refuses what is no flow, and playbooks that make none", () => {
    expect(() => lintFlow({} as never)).toThrow("lintFlow needs a flow, as create makes it: got an object");
    expect(() => lintFlow(undefined as never)).toThrow(TypeError);
    const caller = payloadNode({ name: "caller", calls: [() => ({})] }, (value: number) => value);
    expect(() => lintFlow(create(caller.to()))).toThrow(
      'Cannot look into a playbook that node "caller" calls: it makes no flow',
    );
  });

  test("gives up on playbooks that make further ones without end", () => {
    const endless = (): Flow<never, unknown> =>
      create(payloadNode({ name: "endless", calls: [() => endless()] }, (value: number) => value).to());
    expect(() => lintFlow(endless())).toThrow(/declare a playbook once/);
  });

  test("prints everything needed to fix the problem", () => {
    expect(formatFindings([])).toBe("No findings\n");
    const flow = create(payloadNode({ name: "read", effects: "reads" }, (value: number) => value).to());
    expect(formatFindings(lintFlow(flow))).toBe(
      `warning io-without-timeout at "read"
  Node "read" reads from an external system and has no timeout: without an answer, it holds its slot and its trace until a deadline, if there is one.
  Fix: Set policy.timeoutMs and pass ctx.signal to the call.
`,
    );
  });
});

async function mayEmit(value: number, ctx: Context): Promise<void> {
  await ctx.emit(value);
}
