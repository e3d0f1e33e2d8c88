import { AsyncLocalStorage } from "node:async_hooks";
import { create, type FlowEvent, joinK, type Logger, type Message, node, payloadNode, type Probe } from "penguiflow";
import { TestClock } from "penguiflow/testing";
import { describe, expect, test } from "vitest";

/** Creates a probe that does nothing except for the given parts. */
function probe(parts: Partial<Probe>): Probe {
  return {
    begin: () => {},
    enter: (_, message) => message,
    handle: (attempt, handler) => void handler(attempt.message),
    fetched: () => {},
    gather: (group) => group,
    event: () => {},
    stop: () => {},
    ...parts,
  };
}

/** Creates a logger that keeps the warnings. */
function warnings(): Logger & { readonly lines: string[] } {
  const lines: string[] = [];
  const quiet = () => {};
  return { lines, debug: quiet, info: quiet, error: quiet, warn: (message) => void lines.push(message) };
}

const marked = (message: Message, mark: string) =>
  message.with({
    meta: { ...message.meta, marks: [...((message.meta["marks"] as string[] | undefined) ?? []), mark] },
  });

const double = payloadNode("double", (count: number) => count * 2);

describe("an instrument", () => {
  test("is told of everything at once, with the same trace and attempt from first to last", async () => {
    const told: string[] = [];
    const traces = new Set<object>();
    const attempts = new Map<object | undefined, string[]>();
    const note = (what: string, trace: object) => {
      told.push(what);
      traces.add(trace);
    };
    const instrument = () =>
      probe({
        begin: (trace) => note("begin", trace),
        enter: (trace, message) => {
          note("enter", trace);
          return message;
        },
        handle: (attempt, handler) => {
          note(`call ${attempt.node}`, attempt.trace);
          handler(attempt.message);
        },
        event: (event, trace, attempt) => {
          note("node" in event ? `${event.type} ${event.node}` : event.type, trace);
          attempts.set(attempt, [...(attempts.get(attempt) ?? []), event.type]);
        },
      });
    await using flow = create(double.to(payloadNode("show", String)), { instrument });
    const result = flow.run().call(21);
    expect(told, "before anything was awaited").toEqual(["begin", "trace_start", "enter"]);
    expect(await result).toBe("42");
    expect(told.slice(3)).toEqual([
      "node_start double",
      "call double",
      "node_success double",
      "node_start show",
      "call show",
      "node_success show",
      "trace_end",
    ]);
    expect(traces.size).toBe(1);
    expect([...attempts.values()]).toEqual([
      ["trace_start", "trace_end"],
      ["node_start", "node_success"],
      ["node_start", "node_success"],
    ]);
  });

  test("begins a trace in the async context of its caller and stands around the whole handler", async () => {
    const storage = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    const instrument = () =>
      probe({
        begin: () => seen.push(storage.getStore()),
        handle: (attempt, handler) => storage.run(`attempt at ${attempt.node}`, () => void handler(attempt.message)),
      });
    const late = payloadNode("late", async (count: number) => {
      await Promise.resolve();
      seen.push(storage.getStore());
      return count;
    });
    await using flow = create(late.to(), { instrument });
    flow.run();
    await storage.run("caller", () => flow.call(1));
    expect(seen).toEqual(["caller", "attempt at late"]);
  });

  test("may give messages another meta where they enter and where they are handled; a retry starts from the original", async () => {
    const clock = new TestClock();
    let calls = 0;
    const instrument = () =>
      probe({
        enter: (_, message) => marked(message, "entered"),
        handle: (attempt, handler) => void handler(marked(attempt.message, attempt.node)),
      });
    const shaky = node({ name: "shaky", policy: { maxRetries: 1 } }, (message: Message<number>, ctx) => {
      expect(ctx.message).toBe(message);
      calls += 1;
      if (calls === 1) throw new Error("again");
      return message;
    });
    await using flow = create(double.to(shaky), { clock, instrument });
    const outcome = flow.run().outcome(1);
    await clock.advance(60_000);
    const { messages } = await outcome;
    expect(messages.map(({ payload, meta }) => [payload, meta["marks"]])).toEqual([
      [2, ["entered", "double", "shaky"]],
    ]);
  });

  test("sees what a join gathers and what a handler fetches", async () => {
    const seen: unknown[] = [];
    const instrument = () =>
      probe({
        gather: (group, parts) => {
          seen.push(parts.map(({ payload }) => payload));
          return marked(group, "gathered");
        },
        fetched: (attempt, message) => seen.push([attempt.node, message.payload]),
      });
    const left = payloadNode("left", (count: number) => count + 1);
    const right = payloadNode("right", (count: number) => count + 2);
    const both = joinK("both", 2);
    await using joining = create(left.to(both), right.to(both), { instrument });
    const joined = await joining.run().outcome(1);
    expect(joined.messages[0]?.meta).toEqual({ marks: ["gathered"] });

    const twice = node("twice", async (_: Message<number>, ctx) => {
      await ctx.emit(1);
      await ctx.emit(2);
    });
    const pair = node("pair", async (message: Message<number>, ctx) => [message.payload, (await ctx.fetch()).payload]);
    await using fetching = create(twice.to(pair), { instrument });
    expect(await fetching.run().call(0)).toEqual([1, 2]);
    expect(seen).toEqual([
      [2, 3],
      ["pair", 2],
    ]);
  });

  test("is asked for each run, with its figures, and told when it is over; playbooks have runs of their own", async () => {
    const log: unknown[] = [];
    let waiting: unknown;
    const inner = create(double.to(), { name: "inner" });
    const outer = node("outer", async (message: Message<number>, ctx) => ctx.callPlaybook(inner, message));
    const flow = create(outer.to(), {
      name: "outer flow",
      instrument: (run) => {
        log.push(`start ${run.flow}`);
        return probe({
          begin: () => {
            waiting = run.stats();
          },
          stop: () => log.push(`stop ${run.flow}`),
        });
      },
    });
    expect(await flow.run().call(1)).toBe(2);
    await flow.stop();
    flow.run();
    await flow.stop();
    expect(log).toEqual([
      "start outer flow",
      "start outer flow/inner",
      "stop outer flow/inner",
      "stop outer flow",
      "start outer flow",
      "stop outer flow",
    ]);
    expect(waiting).toMatchObject({ traces: 1, nodes: [{ name: "double", queued: 0, running: 0 }] });
  });

  test("that answers nothing for a run leaves the flow alone", async () => {
    const events: FlowEvent[] = [];
    await using flow = create(double.to(), {
      instrument: () => undefined,
      middlewares: [(event) => events.push(event)],
    });
    expect(await flow.run().call(1)).toBe(2);
    await flow.flush();
    expect(events).toHaveLength(4);
  });

  test("must be a function", () => {
    expect(() => create(double.to(), { instrument: {} as never })).toThrow(
      new TypeError('Option "instrument" must be a function (run): got an object'),
    );
  });
});

describe("a probe at fault", () => {
  const fault = () => {
    throw new Error("probe at fault");
  };

  test.for(["begin", "enter", "handle", "fetched", "gather", "event", "stop"] as const)(
    "in %s is logged and changes nothing",
    async (hook) => {
      const logger = warnings();
      const twice = node("twice", async (_: Message<number>, ctx) => {
        await ctx.emit(1);
        await ctx.emit(2);
      });
      const pair = node(
        "pair",
        async (message: Message<number>, ctx) => message.payload + Number((await ctx.fetch()).payload),
      );
      const other = payloadNode("other", (count: number) => count);
      const both = joinK("both", 2);
      await using flow = create(twice.to(pair), pair.to(both), other.to(both), {
        logger,
        instrument: () => probe({ [hook]: fault }),
      });
      const result = await flow.run().call(5);
      expect([...(result as number[])].sort((a, b) => a - b)).toEqual([3, 5]);
      await flow.stop();
      expect(new Set(logger.lines)).toEqual(new Set(["instrument_failed"]));
    },
  );

  test.for<readonly [name: string, handle: Probe["handle"], complaints: number]>([
    ["does not call the handler", () => {}, 0],
    [
      "calls it twice",
      (attempt, handler) => {
        handler(attempt.message);
        handler(attempt.message);
      },
      0,
    ],
    [
      "throws after it has called it",
      (attempt, handler) => {
        handler(attempt.message);
        throw new Error("probe at fault");
      },
      1,
    ],
  ])("that %s: the handler runs once nevertheless", async ([, handle, complaints]) => {
    const logger = warnings();
    let calls = 0;
    const count = payloadNode({ name: "count", policy: { maxRetries: 0 } }, (fails: boolean) => {
      calls += 1;
      if (fails) throw new RangeError("the handler's own");
      return "fine";
    });
    await using flow = create(count.to(), { logger, instrument: () => probe({ handle }) });
    flow.run();
    expect(await flow.call(false)).toBe("fine");
    expect(calls).toBe(1);
    await expect(flow.call(true)).rejects.toMatchObject({ cause: { message: "the handler's own" } });
    expect(calls).toBe(2);
    expect(logger.lines).toHaveLength(complaints * 2);
  });
});
