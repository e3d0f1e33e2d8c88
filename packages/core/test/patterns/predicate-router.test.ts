import { describe, expect, test } from "vitest";
import { create, type FlowError, type Message, node, payloadNode, predicateRouter, type RouteChoice } from "penguiflow";
import { TestClock } from "penguiflow/testing";
import { recorder, rejection, tidy, within } from "../fixtures/watched-flow.ts";

const a = payloadNode("a", (value: number) => `a${value}`);
const b = payloadNode("b", (value: number) => `b${value}`);
const c = payloadNode("c", (value: number) => `c${value}`);

/** Creates a router with the function's choice; the compiler does not know the possible names. */
const routing = (choose: (value: number) => RouteChoice | Promise<RouteChoice>, watch = recorder()) => {
  const router = predicateRouter("router", (message: Message<number>) => choose(message.payload));
  return tidy(create(router.to(a, b, c), { middlewares: [watch.middleware] }).run());
};

describe("a predicate router sends a message to", () => {
  test.each<[string, RouteChoice | Promise<RouteChoice>, string[]]>([
    ["the successor it names", "b", ["b1"]],
    ["the successor it gives as a node", c, ["c1"]],
    ["several, in declared order", ["c", a], ["a1", "c1"]],
    ["each once, though it was named twice", ["b", b, "b"], ["b1"]],
    ["what a promise resolves to", Promise.resolve("b"), ["b1"]],
    ["all", [a, b, c], ["a1", "b1", "c1"]],
  ])("%s", async (_, choice, results) => {
    const outcome = await routing(() => choice).outcome(1);
    expect([...outcome.results].sort()).toEqual(results);
  });

  test.each<[string, RouteChoice]>([
    ["null", null],
    ["undefined", undefined],
    ["an empty array", []],
  ])("no node on %s, which is an event and an empty trace that names the router", async (_, choice) => {
    const watch = recorder();
    const flow = routing(() => choice, watch);
    const outcome = await within(1_000, flow.outcome(1));
    expect(outcome).toMatchObject({ status: "empty", lastNode: "router" });
    await flow.flush();
    expect(watch.of("route_drop")).toMatchObject([{ node: "router", traceId: outcome.traceId, attempt: 1 }]);
  });
});

test("a dropped message is no failure when another one of the trace has a result", async () => {
  const watch = recorder();
  const source = payloadNode("source", async (values: readonly number[], ctx) => {
    for (const value of values) await ctx.emit(value, { to: "router" });
    return undefined as number | undefined;
  });
  const router = predicateRouter("router", (message: Message<number>) => (message.payload % 2 === 0 ? "a" : null));
  const flow = tidy(create(source.to(router), router.to(a), { middlewares: [watch.middleware] }).run());
  expect(await flow.outcome([1, 2, 3, 4])).toMatchObject({ status: "completed", results: ["a2", "a4"] });
  await flow.flush();
  expect(watch.of("route_drop")).toHaveLength(2);
});

test("a choice that is no successor fails the trace with ROUTE_UNKNOWN and names both", async () => {
  const error = (await rejection(routing(() => "nowhere").call(1))) as FlowError;
  expect(error).toMatchObject({ code: "ROUTE_UNKNOWN", node: "router", retryable: false });
  expect(error.message).toBe(
    'Cannot deliver to "nowhere": node "router" has no edge to it; it has edges to "a", "b", "c"',
  );
});

test("one unknown name among several sends to none of them", async () => {
  const watch = recorder();
  const flow = routing(() => ["a", "nowhere"], watch);
  expect((await flow.outcome(1)).status).toBe("failed");
  await flow.flush();
  expect(watch.of("node_start").map((event) => event.node)).toEqual(["router"]);
});

test("a predicate that throws is an ordinary node error", async () => {
  const flow = routing(() => {
    throw new Error("cannot decide");
  });
  expect(await rejection(flow.call(1))).toMatchObject({ code: "NODE_EXCEPTION", node: "router" });
});

test("a predicate is given the whole message and a context, and the envelope continues unchanged", async () => {
  const seen: unknown[] = [];
  const router = predicateRouter("router", async (message: Message<number>, ctx) => {
    seen.push(message.meta["lang"], ctx.tenant, ctx.successors);
    await ctx.sleep(5);
    return "show";
  });
  const show = node("show", (message: Message<number>) => ({
    ...message.headers,
    meta: message.meta,
    traceId: message.traceId,
  }));
  const clock = new TestClock();
  const flow = tidy(create(router.to(show), { clock }).run());
  const call = flow.call(1, { tenant: "acme", traceId: "t", topic: "birds", meta: { lang: "de" } });
  await clock.advance(5);
  expect(await call).toEqual({ tenant: "acme", topic: "birds", meta: { lang: "de" }, traceId: "t" });
  expect(seen).toEqual(["de", "acme", ["show"]]);
});

test("two targets with full edges get the message both or neither", async () => {
  const clock = new TestClock();
  const slow = payloadNode({ name: "slow", policy: { concurrency: 1 } }, async (value: number, ctx) => {
    await ctx.sleep(100);
    return `slow${value}`;
  });
  const started: string[] = [];
  const quick = payloadNode("quick", (value: number) => {
    started.push(`quick${value}`);
    return `quick${value}`;
  });
  const router = predicateRouter("router", (_: Message<number>): RouteChoice => ["slow", "quick"]);
  const flow = tidy(create(router.to(slow, quick), { clock, queueMaxSize: 1 }).run());
  const outcomes = [1, 2, 3].map((value) => flow.outcome(value));
  await clock.advance(0);
  expect(started).toEqual(["quick1", "quick2"]);
  await clock.advance(1_000);
  for (const outcome of await Promise.all(outcomes)) expect(outcome.results).toHaveLength(2);
});

test("a router without a predicate, or with an option it does not know, is refused at construction", () => {
  expect(() => predicateRouter("router", undefined as never)).toThrow(/router.*function/);
  expect(() => predicateRouter("router", () => "a", { polices: {} } as never)).toThrow(/polices/);
  expect(() => predicateRouter("router", () => "a", { policy: {} as never })).toThrow(/policy/);
});
