import { describe, expect, test } from "vitest";
import { create, type Message, ModelRegistry, node, type NodePolicy, payloadNode } from "penguiflow";
import { z } from "zod";

const any = (value: unknown) => value as never;
const withPolicy = (policy: unknown) => payloadNode({ name: "a", policy: any(policy) }, (value: number) => value);

describe("a node that cannot be used is refused where it is made", () => {
  test.each([[""], ["  "], ["\t\n"]])("with the name %j", (name) => {
    expect(() => payloadNode(name, () => 1)).toThrow(TypeError);
    expect(() => payloadNode(name, () => 1)).toThrow(/"name".*non-empty.*got/);
  });

  test("with something other than a name", () => {
    for (const name of [undefined, null, 5, {}, { name: 5 }])
      expect(() => payloadNode(any(name), () => 1)).toThrow(TypeError);
  });

  test("without a handler", () => {
    expect(() => payloadNode("a", any(undefined))).toThrow('Node "a" needs a handler function');
    expect(() => node("a", any("handler"))).toThrow("got string");
  });

  test("with a handler that wants more than message and context", () => {
    const handler = (message: unknown, ctx: unknown, more: unknown) => [message, ctx, more];
    expect(() => node("a", any(handler))).toThrow('The handler of node "a" must take (message, ctx): it takes 3');
  });

  test("with a schema that is none, by the side it is on", () => {
    expect(() => node({ name: "a", input: any({ parse() {} }) }, () => 1)).toThrow('Option "input" of node "a"');
    expect(() =>
      node(
        { name: "a", output: any("string") },
        any(() => 1),
      ),
    ).toThrow('Option "output" of node "a" must be a Standard Schema (zod, valibot, arktype, …): got string');
  });

  test("with an unknown option, which is named beside the known ones", () => {
    expect(() => node(any({ name: "a", retries: 3 }), () => 1)).toThrow(TypeError);
    expect(() => node(any({ name: "a", retries: 3 }), () => 1)).toThrow(
      /Unknown option "retries" of node "a": expected one of "name", "input", "output", "policy", "allowCycle"/,
    );
  });
});

describe("what a node says about its handler", () => {
  test("is nothing where it is left out", () => {
    expect(payloadNode("a", () => 1)).toMatchObject({ effects: undefined, calls: [], boundsLoop: false });
  });

  test("is refused where it means nothing", () => {
    const claiming = (claims: object) => () => payloadNode(any({ name: "a", ...claims }), () => 1);
    expect(claiming({ effects: "write" })).toThrow(
      'Option "effects" of node "a" must be one of "none", "reads", "writes", "idempotent": got "write"',
    );
    expect(claiming({ calls: create })).toThrow(/"calls" of node "a" must be a list of playbooks.*: got/);
    expect(claiming({ calls: ["retrieval", {}] })).toThrow('got ["retrieval", an object]');
    expect(claiming({ boundsLoop: 8 })).toThrow('Option "boundsLoop" of node "a" must be true or false: got 8');
  });
});

describe("a policy", () => {
  test("has the documented defaults", () => {
    expect(payloadNode("a", () => 1).policy).toEqual({
      validate: "both",
      timeoutMs: undefined,
      maxRetries: 0,
      backoffBaseMs: 500,
      backoffMult: 2,
      maxBackoffMs: Number.MAX_SAFE_INTEGER,
      jitter: 1,
      retryIf: undefined,
      concurrency: 64,
      ordering: "trace",
    });
  });

  test("option that is unknown is named, with those that are known", () => {
    expect(() => withPolicy({ timeout: 5 })).toThrow(TypeError);
    expect(() => withPolicy({ timeout: 5 })).toThrow(
      /Unknown option "timeout" of the policy of node "a": expected one of .*"timeoutMs"/,
    );
  });

  const wrong: [keyof NodePolicy, unknown, string, typeof TypeError | typeof RangeError][] = [
    ["timeoutMs", 0, "1 or more", RangeError],
    ["timeoutMs", -1, "1 or more", RangeError],
    ["timeoutMs", Number.NaN, "1 or more", RangeError],
    ["timeoutMs", "5", "1 or more", TypeError],
    ["timeoutMs", null, "1 or more", TypeError],
    ["maxRetries", -1, "whole number of 0 or more", RangeError],
    ["maxRetries", 1.5, "whole number of 0 or more", RangeError],
    ["maxRetries", Number.NaN, "whole number of 0 or more", RangeError],
    ["maxRetries", Number.POSITIVE_INFINITY, "whole number of 0 or more", RangeError],
    ["maxRetries", "2", "whole number of 0 or more", TypeError],
    ["backoffBaseMs", -1, "0 or more", RangeError],
    ["backoffBaseMs", Number.POSITIVE_INFINITY, "0 or more", RangeError],
    ["backoffMult", 0.5, "1 or more", RangeError],
    ["backoffMult", 0, "1 or more", RangeError],
    ["maxBackoffMs", -1, "0 or more", RangeError],
    ["maxBackoffMs", Number.NaN, "0 or more", RangeError],
    ["jitter", -0.1, "0 or more", RangeError],
    ["jitter", 1.1, "from 0 to 1", RangeError],
    ["jitter", true, "0 or more", TypeError],
    ["concurrency", 0, "whole number of 1 or more", RangeError],
    ["concurrency", 2.5, "whole number of 1 or more", RangeError],
    ["concurrency", Number.NaN, "whole number of 1 or more", RangeError],
    ["validate", "input", '"both", "in", "out", "none"', TypeError],
    ["validate", true, '"both", "in", "out", "none"', TypeError],
    ["ordering", "fifo", '"trace", "none"', TypeError],
    ["retryIf", "always", "function", TypeError],
  ];
  test.each(wrong)("option %s must not be %j", (option, given, wanted, kind) => {
    let error: unknown;
    try {
      withPolicy({ [option]: given });
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(kind);
    const { message } = error as Error;
    expect(message).toContain(`"${option}" of node "a"`);
    expect(message).toContain(wanted);
    expect(message).toContain(typeof given === "number" ? `got ${given}` : `got ${JSON.stringify(given)}`);
  });

  test("may ask for any number at once and for no jitter", () => {
    const { policy } = withPolicy({ concurrency: Number.POSITIVE_INFINITY, jitter: 0, backoffBaseMs: 0 });
    expect(policy).toMatchObject({ concurrency: Number.POSITIVE_INFINITY, jitter: 0, backoffBaseMs: 0 });
  });

  test("is frozen, and does not follow later changes of what it was made from", () => {
    const policy = { maxRetries: 1 };
    const made = withPolicy(policy);
    policy.maxRetries = 5;
    expect(made.policy.maxRetries).toBe(1);
    expect(Object.isFrozen(made)).toBe(true);
    expect(Object.isFrozen(made.policy)).toBe(true);
  });
});

describe("options of create", () => {
  const a = payloadNode("a", (value: number) => value);
  const build = (options: unknown) => create(a.to(), any(options));

  test("that are unknown are named, with those that are known", () => {
    expect(() => build({ queue_maxsize: 3 })).toThrow(TypeError);
    expect(() => build({ queue_maxsize: 3 })).toThrow(
      /Unknown option "queue_maxsize" of create: expected one of .*"queueMaxSize"/,
    );
  });

  test.each([
    ["queueMaxSize", -1, "whole number of 0 or more", RangeError],
    ["queueMaxSize", 1.5, "whole number of 0 or more", RangeError],
    ["queueMaxSize", "64", "whole number of 0 or more", TypeError],
    ["queueMaxSize", Number.POSITIVE_INFINITY, "whole number of 0 or more", RangeError],
    ["graceMs", -1, "0 or more", RangeError],
    ["graceMs", Number.NaN, "0 or more", RangeError],
    ["streamWindow", 0, "whole number of 1 or more", RangeError],
    ["limits.maxResults", 0, "whole number of 1 or more", RangeError],
    ["limits.rookeryMaxSize", 0, "whole number of 1 or more", RangeError],
    ["limits.maxHeldEmits", 0.5, "whole number of 1 or more", RangeError],
    ["limits.observerBuffer", -3, "whole number of 1 or more", RangeError],
  ] as const)("%s must not be %j", (option, given, wanted, kind) => {
    let error: unknown;
    try {
      const [group, name] = option.split(".") as [string, string?];
      build(name === undefined ? { [option]: given } : { [group]: { [name]: given } });
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(kind);
    expect((error as Error).message).toBe(
      `Option "${option}" must be ${wanted.startsWith("whole") ? "a" : "a number of"} ${wanted}: got ${typeof given === "string" ? JSON.stringify(given) : given}`,
    );
  });

  test.each([
    [{ maxResult: 1 }, 'Unknown option "maxResult" of limits: expected one of "maxResults"'],
    [5, 'Option "limits" must be an object: got 5'],
    [null, 'Option "limits" must be an object: got null'],
  ])("limits must not be %j", (limits, message) => {
    expect(() => build({ limits })).toThrow(message);
  });

  test.each(["maxResults", "maxHeldEmits", "rookeryMaxSize", "observerBuffer"])(
    "%s outside of limits is refused with where it belongs",
    (name) => {
      expect(() => build({ [name]: 5 })).toThrow(
        `Cannot take option "${name}" of create: it is one of the limits; write limits: { ${name}: 5 }`,
      );
    },
  );

  test.each([[0], [-1], [Number.NaN], ["2"], [null]])("tenantWeights must not hold %j", (weight) => {
    expect(() => build({ tenantWeights: { acme: weight } })).toThrow(/tenant "acme".*above 0.*got/);
  });

  test("middlewares must be a list of functions", () => {
    expect(() => build({ middlewares: ["log"] })).toThrow("A middleware must be a function (event): got string");
    expect(() => build({ middlewares: () => {} })).toThrow(/"middlewares"/);
  });
});

describe("a registry of models", () => {
  const model = z.object({ id: z.string() });

  test("takes each name once", () => {
    const registry = new ModelRegistry().register("a", model, model);
    expect(() => registry.register("a", model, model)).toThrow('Cannot register node "a" twice');
    expect(registry.names()).toEqual(["a"]);
    expect(registry.get("a")).toEqual({ input: model, output: model });
    expect(registry.get("b")).toBeUndefined();
  });

  test("takes nothing but Standard Schemas, and names node and side", () => {
    const registry = new ModelRegistry();
    expect(() => registry.register("a", any({}), model)).toThrow('Cannot register node "a": its input model');
    expect(() => registry.register("a", model, any(null))).toThrow('Cannot register node "a": its output model');
    expect(registry.names()).toEqual([]);
  });

  test("does not confuse names that every object inherits with registered ones", () => {
    expect(new ModelRegistry().get("constructor")).toBeUndefined();
    expect(() => new ModelRegistry().register("constructor", model, model)).not.toThrow();
  });

  test("run lists, sorted, every node that validates and has neither schemas nor an entry", () => {
    const plain = (name: string, validate: NodePolicy["validate"] = "both") =>
      payloadNode({ name, policy: { validate } }, (value: unknown) => value);
    const [zebra, ape, own, known, off] = [
      plain("zebra"),
      plain("ape", "in"),
      node({ name: "own", input: z.unknown() }, (message: Message) => message.payload),
      plain("known", "out"),
      plain("off", "none"),
    ] as const;
    const flow = create(zebra.to(ape).to(own).to(known).to(off));
    const registry = new ModelRegistry().register("known", z.unknown(), z.unknown());
    expect(() => flow.run({ registry })).toThrow(TypeError);
    expect(() => flow.run({ registry })).toThrow(/registry: "ape", "zebra"$/);
    expect(flow.isRunning).toBe(false);
  });

  test("run says so when what it is given is no registry", () => {
    const flow = create(payloadNode("a", (value: number) => value).to());
    expect(() => flow.run({ registry: any({}) })).toThrow(/"registry".*ModelRegistry/);
    expect(flow.isRunning).toBe(false);
  });
});
