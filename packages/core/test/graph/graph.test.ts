import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { create, CycleError, type Flow, type FlowOptions, node, OPEN_SEA, payloadNode, ROOKERY } from "penguiflow";
import { tidy } from "../fixtures/watched-flow.ts";

const same = (name: string) => payloadNode(name, (value: number) => value);
const looping = (name: string) => payloadNode({ name, allowCycle: true }, (value: number) => value);
const [a, b, c, d] = [same("a"), same("b"), same("c"), same("d")] as const;

/** Connects and builds a graph that the compiler would refuse, or cannot know. */
const connect = (from: object, ...to: unknown[]) =>
  (from as { to(...targets: unknown[]): { readonly pairs: readonly unknown[] } }).to(...to);
const build = (...args: unknown[]) =>
  Reflect.apply<undefined, unknown[], unknown>(create, undefined, args) as Flow<number, number>;

/** Returns the error that a function throws. */
function thrownBy(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  throw new Error("Expected an error");
}

const names = (graph: { readonly vertices: readonly { readonly node: { readonly name: string } }[] }) =>
  graph.vertices.map((vertex) => vertex.node.name);

describe("a graph that cannot be run is refused by create", () => {
  test("two nodes of one name, by that name", () => {
    const twin = same("a");
    const error = thrownBy(() => create(a.to(b), twin.to(c)));
    expect(error).toBeInstanceOf(TypeError);
    expect(String(error)).toContain('"a"');
  });

  test("two nodes of one name when one is only a successor", () => {
    expect(() => create(a.to(b), c.to(same("b")))).toThrow('"b"');
  });

  test("an edge to itself without allowCycle, with the path and the way out", () => {
    const error = thrownBy(() => build(connect(a, a)));
    expect(error).toBeInstanceOf(CycleError);
    expect((error as CycleError).path).toEqual(["a", "a"]);
    expect((error as CycleError).message).toContain("allowCycle: true");
    expect((error as CycleError).name).toBe("CycleError");
  });

  test("a cycle without allowCycles, with its path in order", () => {
    const error = thrownBy(() => create(a.to(b), b.to(c), c.to(d), d.to(b)));
    expect(error).toBeInstanceOf(CycleError);
    expect((error as CycleError).path).toEqual(["b", "c", "d", "b"]);
    expect((error as CycleError).message).toContain('"b" → "c" → "d" → "b"');
    expect((error as CycleError).message).toContain("allowCycles: true");
  });

  test("allowCycle of a node allows its own loop and no larger cycle", () => {
    const controller = looping("controller");
    const error = thrownBy(() => create(controller.to(controller, b), b.to(controller)));
    expect(error).toBeInstanceOf(CycleError);
    expect(new Set((error as CycleError).path)).toEqual(new Set(["controller", "b"]));
  });

  test("a ring that no message can enter, even when cycles are allowed, by the names of its nodes", () => {
    const error = thrownBy(() => create(a.to(b), b.to(a), { allowCycles: true }));
    expect(error).toBeInstanceOf(TypeError);
    expect(String(error)).toContain('"a", "b"');
  });

  test("a ring without entry beside a part that has one", () => {
    expect(() => create(a.to(b), c.to(d), d.to(c), { allowCycles: true })).toThrow('"c", "d"');
  });

  test("a graph of nothing", () => {
    expect(() => create()).toThrow(TypeError);
    expect(() => create()).toThrow("without nodes");
    expect(() => create({ queueMaxSize: 4 })).toThrow("without nodes");
  });

  test("a node with the name of an endpoint", () => {
    expect(() => create(same(OPEN_SEA).to(b))).toThrow(`"${OPEN_SEA}"`);
    expect(() => create(a.to(same(ROOKERY)))).toThrow(`"${ROOKERY}"`);
  });

  test("something that is not a node as a successor, by what it is", () => {
    expect(() => connect(a, undefined)).toThrow('Cannot connect "a" to undefined');
    expect(() => connect(a, "b")).toThrow('Cannot connect "a" to "b"');
    expect(() => build(connect(a, { name: "pretender" }))).toThrow("it is not a node");
  });

  test("something that is not edges, by its position", () => {
    expect(() => build(a.to(b), c, d.to(c))).toThrow("Argument 2");
    expect(() => build("a", a.to(b))).toThrow('Argument 1 of create must be edges such as a.to(b): got "a"');
    expect(() => build({ queueMaxSize: 1 }, a.to(b))).toThrow("options come last");
  });
});

describe("what belongs to a graph", () => {
  test("a node that is only a successor belongs to it", () => {
    expect(names(create(a.to(b)).graph)).toEqual(["a", "b"]);
  });

  test("a node alone is a graph, both entry and exit", async () => {
    const flow = tidy(create(a.to()).run());
    expect(flow.graph.vertices[0]).toMatchObject({ isIngress: true, isEgress: true });
    expect(await flow.call(3)).toBe(3);
  });

  test("entries have no predecessor but themselves, exits no successor but themselves", () => {
    const controller = looping("controller");
    const last = looping("last");
    const flow = create(controller.to(controller, b), b.to(last), last.to(last), c.to(b));
    const role = Object.fromEntries(
      flow.graph.vertices.map(({ node: { name }, isIngress, isEgress }) => [name, [isIngress, isEgress]]),
    );
    expect(role).toEqual({
      controller: [true, false],
      b: [false, false],
      last: [false, true],
      c: [true, false],
    });
  });

  test("the same edge twice is one edge, and its target gets each value once", async () => {
    const flow = tidy(create(a.to(b, b), a.to(b)).run());
    expect(flow.graph.vertices[0]?.successors).toEqual([1]);
    expect((await flow.outcome(1)).results).toEqual([1]);
  });

  test("a chain written in one goes from each to the next", () => {
    const flow = create(a.to(b).to(c, d));
    const edges = flow.graph.vertices.flatMap(({ node: { name }, successors }) =>
      successors.map((index) => `${name}${names(flow.graph)[index]}`),
    );
    expect(edges).toEqual(["ab", "bc", "bd"]);
  });

  test("a chain after several targets continues from each of them", () => {
    const flow = create(a.to(b, c).to(d));
    expect(flow.graph.vertices.map((vertex) => [vertex.node.name, vertex.predecessors.length])).toEqual([
      ["a", 0],
      ["b", 1],
      ["c", 1],
      ["d", 2],
    ]);
  });

  test("a graph is immutable data", () => {
    const { graph } = create(a.to(b));
    expect(Object.isFrozen(graph)).toBe(true);
    expect(Object.isFrozen(graph.vertices)).toBe(true);
    expect(graph.vertices.every((vertex) => Object.isFrozen(vertex) && Object.isFrozen(vertex.successors))).toBe(true);
  });

  test("one node may stand in several flows, which share nothing", async () => {
    const counter = node("counter", (message, ctx) => `${ctx.traceId}:${String(message.payload)}`);
    const first = tidy(create(counter.to(), { name: "first" }).run());
    const second = tidy(create(counter.to(), { name: "second" }).run());
    expect(await Promise.all([first.call(1, { traceId: "x" }), second.call(2, { traceId: "x" })])).toEqual([
      "x:1",
      "x:2",
    ]);
    expect([first.stats().accepted, second.stats().accepted]).toEqual([1, 1]);
  });

  test("messages reach several entries, and each exit gives a result", async () => {
    const flow = tidy(create(a.to(c), b.to(d)).run());
    const outcome = await flow.outcome(7);
    expect(outcome.results).toEqual([7, 7]);
  });
});

describe("any graph", () => {
  const edgeLists = fc
    .integer({ min: 1, max: 7 })
    .chain((size) =>
      fc.array(fc.tuple(fc.nat({ max: size - 1 }), fc.nat({ max: size - 1 })), { minLength: 1, maxLength: 14 }),
    );

  const buildFrom = (pairs: readonly (readonly [number, number])[], options: FlowOptions) => {
    const nodes = Array.from({ length: 7 }, (_, index) => same(`n${index}`));
    return build(...pairs.map(([from, to]) => connect(nodes[from] as object, nodes[to])), options);
  };

  /** Whether `to` can be reached over at least one edge. */
  const reaches = (pairs: readonly (readonly [number, number])[], from: number, to: number): boolean => {
    const seen = new Set<number>();
    const stack = [from];
    while (stack.length > 0) {
      const at = stack.pop();
      for (const [source, target] of pairs) {
        if (source !== at || seen.has(target)) continue;
        seen.add(target);
        stack.push(target);
      }
    }
    return seen.has(to);
  };

  test("is refused for its cycle exactly when it has one, and the path shown is a cycle of it", () => {
    fc.assert(
      fc.property(edgeLists, (pairs) => {
        const used = [...new Set(pairs.flat())];
        const isCyclic = used.some((index) => reaches(pairs, index, index));
        let error: unknown;
        try {
          buildFrom(pairs, {});
        } catch (caught) {
          error = caught;
        }
        expect(error instanceof CycleError).toBe(isCyclic);
        if (!(error instanceof CycleError)) return;
        const path = error.path.map((name) => Number(name.slice(1)));
        expect(path.length).toBeGreaterThan(1);
        expect(path.at(-1)).toBe(path[0]);
        expect(new Set(path).size).toBe(path.length - 1);
        for (const [index, from] of path.slice(0, -1).entries())
          expect(pairs.some(([source, target]) => source === from && target === path[index + 1])).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test("with cycles allowed, is refused exactly when a ring of it has no way in", () => {
    fc.assert(
      fc.property(edgeLists, (pairs) => {
        const used = [...new Set(pairs.flat())];
        const ring = (index: number) =>
          used.filter((other) => other === index || (reaches(pairs, index, other) && reaches(pairs, other, index)));
        const isClosed = used.some((index) => {
          const members = ring(index);
          if (members.length === 1) return false;
          return pairs.every(([source, target]) => !members.includes(target) || members.includes(source));
        });
        let refusal = "";
        try {
          buildFrom(pairs, { allowCycles: true });
        } catch (error) {
          refusal = String(error);
        }
        expect(refusal.includes("no message can get in")).toBe(isClosed);
        expect(refusal === "").toBe(!isClosed);
      }),
      { numRuns: 300 },
    );
  });

  test("a chain of ten thousand nodes is built and run", async () => {
    const nodes = Array.from({ length: 10_000 }, (_, index) => payloadNode(`n${index}`, (value: number) => value + 1));
    const edges = nodes.slice(1).map((to, index) => (nodes[index] as (typeof nodes)[number]).to(to));
    const flow = tidy(build(...edges).run());
    expect(await flow.call(0)).toBe(10_000);
  });
});
