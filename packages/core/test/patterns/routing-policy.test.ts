import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import {
  create,
  DictRoutingPolicy,
  type Message,
  payloadNode,
  predicateRouter,
  type RouteChoice,
  type RoutingPolicy,
  type RoutingRequest,
} from "penguiflow";
import { recorder, rejection, tidy } from "../fixtures/watched-flow.ts";

const a = payloadNode("a", () => "a");
const b = payloadNode("b", () => "b");
const c = payloadNode("c", () => "c");
const routed = (policy: RoutingPolicy, choice: RouteChoice = ["a", "b"], watch = recorder()) => {
  const router = predicateRouter("router", (_: Message<string>) => choice, { policy });
  return tidy(create(router.to(a, b, c), { middlewares: [watch.middleware] }).run());
};
const resultsOf = async (policy: RoutingPolicy, traceId = "t", choice?: RouteChoice) =>
  [...(await routed(policy, choice).outcome("x", { traceId })).results].sort();

const request = (traceId: string): RoutingRequest => ({
  message: undefined as never,
  traceId,
  tenant: "acme",
  node: "router",
  proposed: ["a"],
  successors: ["a", "b"],
});

afterEach(() => vi.unstubAllEnvs());

describe("a routing policy may", () => {
  test.each<[string, ReturnType<RoutingPolicy["select"]>, string[]]>([
    ["leave the choice as it is", undefined, ["a", "b"]],
    ["narrow it", ["b"], ["b"]],
    ["replace it", "c", ["c"]],
    ["widen it", ["a", "b", "c"], ["a", "b", "c"]],
    ["drop with null", null, []],
    ["drop with nothing in an array", [], []],
    ["take its time", Promise.resolve("c"), ["c"]],
  ])("%s", async (_, decision, results) => {
    expect(await resultsOf({ select: () => decision })).toEqual(results);
  });

  test("send what the router wanted to drop", async () => {
    expect(await resultsOf({ select: () => "c" }, "t", null)).toEqual(["c"]);
  });
});

test("a policy is told trace, tenant, router, proposal, successors and message", async () => {
  const asked: RoutingRequest[] = [];
  const flow = routed({ select: (one) => void asked.push(one) }, b);
  await flow.outcome("hello", { traceId: "t", tenant: "acme" });
  expect(asked).toMatchObject([
    { traceId: "t", tenant: "acme", node: "router", proposed: ["b"], successors: ["a", "b", "c"] },
  ]);
  expect(asked[0]?.message.payload).toBe("hello");
});

test("a drop by policy is a route_drop event", async () => {
  const watch = recorder();
  const flow = routed({ select: () => null }, "a", watch);
  expect((await flow.outcome("x")).status).toBe("empty");
  await flow.flush();
  expect(watch.of("route_drop")).toHaveLength(1);
});

test("a policy that throws, or names no successor, fails the trace", async () => {
  const throwing = routed({
    select: () => {
      throw new Error("policy store is down");
    },
  });
  expect(await rejection(throwing.call("x"))).toMatchObject({ code: "NODE_EXCEPTION", node: "router" });
  expect(await rejection(routed({ select: () => "nowhere" }).call("x"))).toMatchObject({ code: "ROUTE_UNKNOWN" });
});

describe("DictRoutingPolicy", () => {
  test("looks up by trace id and leaves the choice to the router where it has no entry", async () => {
    const policy = new DictRoutingPolicy({ vip: "c", both: ["a", "c"], blocked: null });
    expect(await resultsOf(policy, "vip")).toEqual(["c"]);
    expect(await resultsOf(policy, "both")).toEqual(["a", "c"]);
    expect(await resultsOf(policy, "blocked")).toEqual([]);
    expect(await resultsOf(policy, "other")).toEqual(["a", "b"]);
  });

  test("may look up by any key, and a message without one is left to the router", async () => {
    const policy = new DictRoutingPolicy(
      { acme: "c" },
      { key: ({ tenant }) => (tenant === "none" ? undefined : tenant) },
    );
    expect((await routed(policy).outcome("x", { tenant: "acme" })).results).toEqual(["c"]);
    expect((await routed(policy).outcome("x", { tenant: "none" })).results).toHaveLength(2);
  });

  test("uses its default for keys without an entry", async () => {
    expect(await resultsOf(new DictRoutingPolicy({}, { default: "b" }))).toEqual(["b"]);
    expect(await resultsOf(new DictRoutingPolicy({}, { default: null }))).toEqual([]);
  });

  test("may be given another mapping and another default while flows run, for messages from then on", async () => {
    const policy = new DictRoutingPolicy({ t: "a" });
    const flow = routed(policy);
    const results = async () => (await flow.outcome("x", { traceId: "t" })).results;
    expect(await results()).toEqual(["a"]);
    policy.updateMapping({ t: "b" });
    expect(await results()).toEqual(["b"]);
    policy.updateMapping({});
    policy.setDefault("c");
    expect(await results()).toEqual(["c"]);
    policy.setDefault(undefined);
    expect(await results()).toEqual(["a", "b"]);
  });

  test("keeps its mapping when it is given one that is not usable", () => {
    const policy = new DictRoutingPolicy({ t: "a" });
    expect(() => policy.updateMapping({ t: 5 as never })).toThrow(/"t"/);
    expect(policy.select(request("t"))).toBe("a");
  });

  test("is not changed by later changes of the object it was given", () => {
    const mapping: Record<string, string | string[]> = { t: "a", list: ["a"] };
    const policy = new DictRoutingPolicy(mapping);
    mapping["t"] = "b";
    (mapping["list"] as string[]).push("b");
    expect(policy.select(request("t"))).toBe("a");
    expect(policy.select(request("list"))).toEqual(["a"]);
  });

  test("finds no entry for keys that every object has", () => {
    const policy = new DictRoutingPolicy({});
    for (const key of ["constructor", "toString", "__proto__", "hasOwnProperty"])
      expect(policy.select(request(key))).toBeUndefined();
  });

  test("refuses what is no route and names the entry", () => {
    for (const entry of [5, true, {}, ["a", 1], undefined])
      expect(() => new DictRoutingPolicy({ bad: entry as never })).toThrow(/"bad".*name, an array of names or null/);
    expect(() => new DictRoutingPolicy(["a"] as never)).toThrow(TypeError);
    expect(() => new DictRoutingPolicy(null as never)).toThrow(/mapping/);
    expect(() => new DictRoutingPolicy({}, { default: 5 as never })).toThrow(/default/);
  });

  test("reads the same from an object, JSON text, a file and an environment variable", async () => {
    const folder = await mkdtemp(join(tmpdir(), "routes-"));
    try {
      await fc.assert(
        fc.asyncProperty(
          fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.array(fc.string()), fc.constant(null))),
          async (mapping) => {
            const text = JSON.stringify(mapping);
            const path = join(folder, "routes.json");
            await writeFile(path, text);
            vi.stubEnv("ROUTES_FOR_TEST", text);
            const policies = [
              new DictRoutingPolicy(mapping),
              DictRoutingPolicy.fromJson(text),
              await DictRoutingPolicy.fromFile(path),
              DictRoutingPolicy.fromEnvironment("ROUTES_FOR_TEST"),
            ];
            for (const policy of policies)
              for (const [key, route] of Object.entries(mapping)) expect(policy.select(request(key))).toEqual(route);
          },
        ),
        { numRuns: 25 },
      );
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test("passes options on from every source", async () => {
    vi.stubEnv("ROUTES_FOR_TEST", "{}");
    const options = { default: "b" };
    expect(DictRoutingPolicy.fromJson("{}", options).select(request("t"))).toBe("b");
    expect(DictRoutingPolicy.fromEnvironment("ROUTES_FOR_TEST", options).select(request("t"))).toBe("b");
  });

  test("says where text that is not usable came from", async () => {
    expect(() => DictRoutingPolicy.fromJson("{")).toThrow(/JSON text.*not JSON/);
    for (const text of ["[]", "null", "5", '"a"'])
      expect(() => DictRoutingPolicy.fromJson(text)).toThrow(/expected an object/);
    expect(() => DictRoutingPolicy.fromJson('{"bad": 5}')).toThrow(/"bad" in the JSON text/);
    expect(() => DictRoutingPolicy.fromEnvironment("NOT_SET_IN_TEST")).toThrow(/"NOT_SET_IN_TEST": it is not set/);
    vi.stubEnv("ROUTES_FOR_TEST", "nonsense");
    expect(() => DictRoutingPolicy.fromEnvironment("ROUTES_FOR_TEST")).toThrow(/"ROUTES_FOR_TEST".*not JSON/);
    expect(await rejection(DictRoutingPolicy.fromFile("/no/such/routes.json"))).toMatchObject({ code: "ENOENT" });
  });

  test("says when the runtime has no files and no environment", async () => {
    vi.stubGlobal("process", undefined);
    const fromFile = rejection(DictRoutingPolicy.fromFile("routes.json"));
    expect(() => DictRoutingPolicy.fromEnvironment("ROUTES")).toThrow(/"ROUTES": it is not set/);
    vi.unstubAllGlobals();
    expect(await fromFile).toMatchObject({
      name: "TypeError",
      message: 'Cannot read file "routes.json": this runtime has no file system',
    });
  });
});
