import * as fc from "fast-check";
import {
  create,
  type FlowOptions,
  flowNode,
  joinK,
  node,
  payloadNode,
  predicateRouter,
  seededRandom,
  shape,
  unionRouter,
  type AnyNode,
} from "penguiflow";
import { formatFindings, lintFlow } from "penguiflow/lint";
import { describe, expect, test } from "vitest";

const kinds = [
  "plain",
  "emits",
  "emits and returns",
  "loops",
  "router",
  "union",
  "join",
  "join all",
  "subflow",
  "calls",
] as const;

const vertex = fc.record({
  kind: fc.constantFrom(...kinds),
  effects: fc.constantFrom(undefined, "none" as const, "reads" as const, "writes" as const, "idempotent" as const),
  maxRetries: fc.nat(2),
  isTimed: fc.boolean(),
  boundsLoop: fc.boolean(),
  count: fc.integer({ min: 1, max: 4 }),
  /** Targets, as steps from the node itself; negative steps lead back. */
  steps: fc.uniqueArray(fc.integer({ min: -3, max: 4 }), { maxLength: 4 }),
});

type VertexSpec = typeof vertex extends fc.Arbitrary<infer Spec> ? Spec : never;

const inner = create(payloadNode({ name: "inner", policy: { maxRetries: 1 } }, (value: unknown) => value).to());
const any = shape<never>();

function nodeOf({ kind, effects, maxRetries, isTimed, boundsLoop, count }: VertexSpec, name: string): AnyNode {
  const policy = { maxRetries, ...(isTimed && { timeoutMs: 1 }) };
  const options = { name, effects, boundsLoop, policy };
  switch (kind) {
    case "plain":
      return payloadNode(options, (value: unknown) => value);
    case "emits":
      return node(options, async (message, ctx) => ctx.emit(message));
    case "emits and returns":
      return node(options, async (message, ctx) => {
        await ctx.emit(message);
        return message;
      });
    case "loops":
      return node({ ...options, allowCycle: true }, (message) => message);
    case "router":
      return predicateRouter(name, () => undefined);
    case "union":
      return unionRouter(name, shape<{ kind: string }>());
    case "join":
      return joinK(name, count, { input: any, policy });
    case "join all":
      return joinK(name, () => count, { input: any, whenShort: "emit" });
    case "subflow":
      return flowNode(name, inner, { policy });
    case "calls":
      return payloadNode({ ...options, calls: [() => inner, inner] }, (value: unknown) => value);
  }
}

function flowOf(specs: readonly VertexSpec[]) {
  const nodes = specs.map((spec, index) => nodeOf(spec, `n${index}`) as AnyNode & { to(...targets: AnyNode[]): never });
  const edges = nodes.map((from, index) => {
    const steps = (specs[index] as VertexSpec).steps;
    return from.to(...steps.flatMap((step) => nodes[index + step] ?? []));
  });
  return createOrRefuse(edges);
}

/** Creates a flow, or nothing where a ring without entry is refused. */
function createOrRefuse(edges: readonly never[], options: FlowOptions = {}) {
  try {
    return create(...edges, { allowCycles: true, ...options });
  } catch (error) {
    if (!String(error).includes("Cannot enter the cycle")) throw error;
    return undefined;
  }
}

describe("the linter on random graphs", () => {
  test("never throws, names nodes that exist, finds the same again, and finds something of each kind", () => {
    const rules = new Map<string, number>();
    let clean = 0;
    fc.assert(
      fc.property(fc.array(vertex, { minLength: 1, maxLength: 9 }), (specs) => {
        const flow = flowOf(specs);
        if (flow === undefined) return;
        const names = new Set(specs.flatMap((_, index) => [`n${index}`, `n${index}/inner`]));
        const findings = lintFlow(flow);
        expect(lintFlow(flow)).toEqual(findings);
        for (const { rule, nodes, reason, fix } of findings) {
          expect(nodes.length).toBeGreaterThan(0);
          expect(new Set(nodes).size).toBe(nodes.length);
          for (const name of nodes) {
            expect(names).toContain(name);
            expect(reason).toContain(`"${name}"`);
          }
          expect(reason + fix).not.toMatch(/undefined|NaN|Infinity|\[object/);
          rules.set(rule, (rules.get(rule) ?? 0) + 1);
        }
        if (findings.length === 0) clean += 1;
        expect(formatFindings(findings).split("\n").length).toBe(findings.length === 0 ? 2 : findings.length * 3 + 1);
      }),
      { numRuns: 1_000, seed: 7 },
    );
    // a rule that never fires proves nothing
    expect([...rules.keys()].sort()).toEqual([
      "dead-end",
      "deadlock-prone-cycle",
      "io-without-timeout",
      "join-never-fills",
      "loop-without-budget",
      "nested-retries",
      "retried-writes",
      "returns-and-emits",
      "unreachable-node",
    ]);
    expect(Math.min(clean, ...rules.values())).toBeGreaterThan(10);
  });

  test("never say of a node that no message gets through it when one does", { timeout: 30_000 }, async () => {
    let blamed = 0;
    let filled = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(simple, { minLength: 2, maxLength: 10 }), fc.nat(), async (specs, seed) => {
        const started = new Set<string>();
        const { flow, payload } = runnable(specs, seededRandom(seed), (name) => started.add(name));
        if (flow === undefined) return;
        const errors = lintFlow(flow).filter(({ severity }) => severity === "error");
        const never = errors.flatMap(({ nodes }) => nodes);
        flow.run();
        await flow.outcome(payload);
        await flow.stop();
        expect(never.filter((name) => started.has(name))).toEqual([]);
        blamed += never.length;
        filled += specs.filter(
          ({ kind, count }, index) => kind === "join" && count > 1 && started.has(`n${index}`),
        ).length;
      }),
      { numRuns: 500, seed: 7 },
    );
    expect(Math.min(blamed, filled)).toBeGreaterThan(30);
  });
});

const simple = fc.record({
  kind: fc.constantFrom("plain", "plain", "plain", "join", "router", "union"),
  count: fc.integer({ min: 1, max: 3 }),
  steps: fc.uniqueArray(fc.integer({ min: -2, max: 4 }), { maxLength: 4 }),
});

/**
 * Creates a flow whose routers choose at random, and a payload that union routers understand. It leaves cycles in the
 * end.
 */
function runnable(
  specs: readonly (typeof simple extends fc.Arbitrary<infer Spec> ? Spec : never)[],
  random: () => number,
  onStart: (node: string) => void,
) {
  let messages = 0;
  const payload: Record<string, unknown> = {};
  const isWeary = () => (messages += 1) > 300;
  const nodes = specs.map(({ kind, count, steps }, index) => {
    const name = `n${index}`;
    const targets = steps.flatMap((step) => (specs[index + step] === undefined ? [] : [`n${index + step}`]));
    const choose = () => targets[Math.floor(random() * targets.length)] ?? [];
    Object.defineProperty(payload, name, { enumerable: true, get: () => (isWeary() ? "nowhere" : choose()) });
    switch (kind) {
      case "join":
        return joinK(name, count, { input: any });
      case "router":
        return predicateRouter(name, () => (isWeary() ? [] : [choose(), choose()].flat()));
      case "union":
        return unionRouter(name, shape<Record<string, string>>(), { discriminator: name });
      case "plain":
        return payloadNode(name, () => (isWeary() ? undefined : payload));
    }
  }) as unknown as (AnyNode & { to(...targets: AnyNode[]): never })[];
  const flow = createOrRefuse(
    nodes.map((from, index) => from.to(...(specs[index]?.steps ?? []).flatMap((step) => nodes[index + step] ?? []))),
    { middlewares: [(event) => void (event.type === "node_start" && onStart(event.node))] },
  );
  return { flow, payload };
}
