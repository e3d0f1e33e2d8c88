import { type } from "arktype";
import * as v from "valibot";
import { describe, expect, test } from "vitest";
import {
  create,
  FlowError,
  type FlowErrorCode,
  type Message,
  ModelRegistry,
  node,
  type NodePolicy,
  payloadNode,
  type Schema,
  shape,
} from "penguiflow";
import { z } from "zod";
import { recorder, rejection, tidy, within } from "../fixtures/watched-flow.ts";

interface Query {
  readonly text: string;
  readonly limit: number;
}

/** The same model three times: a trimmed text, and a limit with a default. */
const models: [string, Schema<unknown, Query>][] = [
  ["zod", z.object({ text: z.string().trim().min(1), limit: z.number().int().default(10) })],
  [
    "valibot",
    v.object({
      text: v.pipe(v.string(), v.trim(), v.minLength(1)),
      limit: v.optional(v.pipe(v.number(), v.integer()), 10),
    }),
  ],
  ["arktype", type({ text: "string.trim |> string > 0", limit: "number.integer = 10" })],
];

const codeOf = (error: unknown) => (error instanceof FlowError ? error.code : error);
const failure = async (promise: PromiseLike<unknown>) => {
  const error = await rejection(within(2_000, promise));
  expect(error).toBeInstanceOf(FlowError);
  return error as FlowError;
};

describe.each(models)("a schema of %s", (_vendor, model) => {
  test("gives the handler the parsed payload in the envelope it came in", async () => {
    const seen: Message<Query>[] = [];
    const search = node({ name: "search", input: model }, (message) => {
      seen.push(message);
      return message;
    });
    const flow = tidy(create(search.to()).run());
    const outcome = await flow.outcome({ text: "  penguins " }, { traceId: "t", tenant: "acme", meta: { a: 1 } });
    expect(seen[0]?.payload).toEqual({ text: "penguins", limit: 10 });
    expect(seen[0]).toMatchObject({ traceId: "t", headers: { tenant: "acme" }, meta: { a: 1 } });
    expect(outcome.results).toEqual([{ text: "penguins", limit: 10 }]);
  });

  test("gives a payload node the parsed payload", async () => {
    const search = payloadNode({ name: "search", input: model }, (query) => query.limit);
    const flow = tidy(create(search.to()).run());
    expect(await flow.call({ text: "x" })).toBe(10);
  });

  test("hands on the parsed output, returned bare, in a message or emitted", async () => {
    const make = node({ name: "make", output: model }, async (message: Message<string>, ctx) => {
      await ctx.emit({ text: " emitted " });
      ctx.emitNowait(message.with({ payload: { text: " in a message " } }));
      return message.with({ payload: { text: message.payload } });
    });
    const flow = tidy(create(make.to()).run());
    expect((await flow.outcome(" returned ")).results).toEqual([
      { text: "emitted", limit: 10 },
      { text: "in a message", limit: 10 },
      { text: "returned", limit: 10 },
    ]);
  });

  test("refuses a payload, naming node, side, place and problem", async () => {
    let calls = 0;
    const search = node({ name: "search", input: model }, () => (calls += 1));
    const flow = tidy(create(search.to()).run());
    const given = { text: "x", limit: "many" };
    const error = await failure(flow.call(given, { traceId: "t", tenant: "acme" }));
    expect(error).toMatchObject({
      code: "INPUT_INVALID",
      node: "search",
      traceId: "t",
      tenant: "acme",
      attempt: 1,
      retryable: false,
    });
    expect(error.message).toContain('The input of node "search" does not fit its schema: payload.limit: ');
    expect(error.details).toEqual({ issues: [{ path: "payload.limit", message: expect.any(String) as string }] });
    expect((error.failedMessage as Message).payload).toBe(given);
    expect(calls).toBe(0);
    expect(JSON.parse(JSON.stringify(error))).toMatchObject({ code: "INPUT_INVALID", details: error.details });
  });

  test("refuses what a handler gives", async () => {
    for (const act of ["return", "message", "emit", "emitNowait"] as const) {
      const make = node({ name: "make", output: model }, async (message: Message<object>, ctx) => {
        const bad = message.payload as Query;
        if (act === "emit") await ctx.emit(bad);
        if (act === "emitNowait") ctx.emitNowait(bad);
        if (act === "message") return message.with({ payload: bad });
        return act === "return" ? bad : undefined;
      });
      const flow = tidy(create(make.to()).run());
      const error = await failure(flow.call({ text: 5 }));
      expect(error).toMatchObject({ code: "OUTPUT_INVALID", node: "make", attempt: 1 });
      expect(error.message).toContain("payload.text");
    }
  });
});

describe("the mode of validation", () => {
  const input = z.coerce.number();
  const output = z.string().transform((text) => `<${text}>`);
  const build = (validate: NonNullable<NodePolicy["validate"]>) =>
    tidy(
      create(
        payloadNode(
          { name: "n", input, output, policy: { validate } },
          (value: number) => `${typeof value} ${value}`,
        ).to(),
      ).run(),
    );

  test.each([
    ["both", "<number 5>"],
    ["in", "number 5"],
    ["out", "<string 5>"],
    ["none", "string 5"],
  ] as const)("%s checks and parses what it says", async (validate, result) => {
    expect(await build(validate).call("5")).toBe(result);
  });

  test.each([
    ["both", "INPUT_INVALID", undefined],
    ["in", "INPUT_INVALID", undefined],
    ["out", undefined, "<string five>"],
    ["none", undefined, "string five"],
  ] as const)("%s lets through what it does not check", async (validate, code, result) => {
    const outcome = await build(validate).outcome("five");
    expect(outcome.status === "failed" ? outcome.error.code : outcome.results).toEqual(code ?? [result]);
  });
});

describe("schemas", () => {
  test("may be asynchronous on either side, and order is kept", async () => {
    const slow = <Value>(delays: (value: Value) => number): Schema<Value> => ({
      "~standard": {
        version: 1,
        vendor: "test",
        validate: async (value) => {
          await new Promise((resolve) => setTimeout(resolve, delays(value as Value)));
          return { value: value as Value };
        },
      },
    });
    const source = payloadNode("source", async (count: number, ctx) => {
      for (let index = 0; index < count; index += 1) await ctx.emit(index);
    });
    const check = payloadNode(
      {
        name: "check",
        input: slow<number>((value) => (value % 2 === 0 ? 4 : 0)),
        output: slow<number>((value) => (value % 3 === 0 ? 4 : 0)),
      },
      (value) => value,
    );
    const flow = tidy(create(source.to(check)).run());
    expect((await within(2_000, flow.outcome(10))).results).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test("with an asynchronous refinement of zod are awaited", async () => {
    const known = z.string().refine(async (name) => name !== "stranger", "is not known");
    const greet = payloadNode({ name: "greet", input: known, output: known }, (name) => name);
    const flow = tidy(create(greet.to()).run());
    expect(await flow.call("Pingu")).toBe("Pingu");
    expect((await failure(flow.call("stranger"))).message).toContain("payload: is not known");
  });

  test("that are asynchronous cannot check what is emitted without waiting, and emit can", async () => {
    const async = z.number().refine(async () => true);
    const talk = payloadNode({ name: "talk", output: async }, async (value: number, ctx) => {
      await ctx.emit(value);
      expect(() => ctx.emitNowait(value)).toThrow('Cannot emit from "talk" without waiting');
    });
    const flow = tidy(create(talk.to()).run());
    expect((await flow.outcome(4)).results).toEqual([4]);
  });

  test("name every place that is wrong, in lists and under odd keys too", async () => {
    const model = z.object({ items: z.array(z.object({ "odd key": z.string() })), n: z.number() });
    const flow = tidy(create(payloadNode({ name: "n", input: model }, () => 1).to()).run());
    const error = await failure(flow.call({ items: [{ "odd key": "" }, { "odd key": 5 as never }], n: "x" as never }));
    expect((error.details as { issues: { path: string }[] }).issues.map((issue) => issue.path)).toEqual([
      "payload.items[1].odd key",
      "payload.n",
    ]);
  });

  test("that throw instead of answering fail the node, and the flow continues", async () => {
    const broken: Schema<number> = {
      "~standard": {
        version: 1,
        vendor: "test",
        validate: (value) => {
          if (value === 0) throw new Error("schema is broken");
          return value === 1 ? Promise.reject(new Error("schema is broken")) : { value: value as number };
        },
      },
    };
    const flow = tidy(create(payloadNode({ name: "n", input: broken }, (value) => value).to()).run());
    for (const value of [0, 1])
      expect(await failure(flow.call(value))).toMatchObject({ code: "NODE_EXCEPTION", node: "n" });
    expect(await flow.call(2)).toBe(2);
  });

  test("made by shape check nothing", async () => {
    const flow = tidy(create(payloadNode({ name: "n", input: shape<number>() }, (value) => value).to()).run());
    expect(await flow.call("text" as never)).toBe("text");
  });

  test("are not asked about nothing: a handler that returns undefined sends nothing", async () => {
    const flow = tidy(create(payloadNode({ name: "n", output: z.string() }, () => undefined).to()).run());
    expect((await flow.outcome(1)).status).toBe("empty");
  });

  test("are asked about undefined that is emitted", async () => {
    const talk = payloadNode({ name: "talk", output: z.string() }, async (_: number, ctx) => {
      await ctx.emit(undefined as never);
    });
    const flow = tidy(create(talk.to()).run());
    expect((await failure(flow.call(1))).code).toBe("OUTPUT_INVALID");
  });

  test("are asked about a chunk that is sent to a node as a message by that node's input", async () => {
    const talk = payloadNode("talk", async (_: number, ctx) => {
      await ctx.emitChunk({ text: "x", to: "strict" });
    });
    const strict = node({ name: "strict", input: z.object({ text: z.literal("y") }) }, () => 1);
    const flow = tidy(create((talk as unknown as { to(target: unknown): never }).to(strict)).run());
    expect((await failure((flow as unknown as { call(value: number): Promise<unknown> }).call(1))).code).toBe(
      "INPUT_INVALID",
    );
  });

  test("of a failed validation are not retried, unless retryIf says so", async () => {
    for (const [policy, tries] of [
      [{ maxRetries: 2, backoffBaseMs: 0 }, 1],
      [{ maxRetries: 2, backoffBaseMs: 0, retryIf: () => true }, 3],
    ] as [NodePolicy, number][]) {
      const seen = recorder();
      let calls = 0;
      const out = payloadNode({ name: "out", output: z.string(), policy }, (): string => (calls += 1) as never);
      const flow = tidy(create(out.to(), { middlewares: [seen.middleware] }).run());
      expect(await failure(flow.call(1))).toMatchObject({ code: "OUTPUT_INVALID", attempt: tries });
      await flow.flush();
      expect([calls, seen.of("node_error").length, seen.of("node_failed").length]).toEqual([tries, tries, 1]);
    }
  });

  test("that an emit fails tell the handler the whole story, should it want to continue", async () => {
    const caught: FlowError[] = [];
    const talk = payloadNode({ name: "talk", output: z.string() }, async (_: number, ctx) => {
      caught.push((await rejection(ctx.emit(5 as never))) as FlowError);
      return "went on";
    });
    const flow = tidy(create(talk.to()).run());
    expect(await flow.call(1, { traceId: "t", tenant: "acme" })).toBe("went on");
    expect(caught[0]).toMatchObject({ code: "OUTPUT_INVALID", node: "talk", traceId: "t", tenant: "acme", attempt: 1 });
  });
});

describe("a registry", () => {
  const plain = payloadNode("plain", (value: unknown) => value);

  test("validates nodes that have no schemas of their own", async () => {
    const registry = new ModelRegistry().register("plain", z.coerce.number().max(9), z.number());
    const flow = tidy(create(plain.to()).run({ registry }));
    expect(await flow.call("5")).toBe(5);
    expect((await failure(flow.call("10"))).code).toBe("INPUT_INVALID" satisfies FlowErrorCode);
  });

  test("gives way to a node's own schema, side by side", async () => {
    const own = payloadNode({ name: "own", input: z.string() }, (value: string) => value);
    const registry = new ModelRegistry().register("own", z.number(), z.literal("yes"));
    const flow = tidy(create(own.to()).run({ registry }));
    expect(await flow.call("yes")).toBe("yes");
    expect(codeOf(await failure(flow.call("no")))).toBe("OUTPUT_INVALID");
  });

  test("belongs to one run: the next one may be without", async () => {
    const registry = new ModelRegistry().register("plain", z.number(), z.number());
    const flow = create(plain.to()).run({ registry });
    expect((await failure(flow.call("x"))).code).toBe("INPUT_INVALID");
    await flow.stop();
    tidy(flow.run());
    expect(await flow.call("x")).toBe("x");
  });

  test("may know nodes that the flow does not have", async () => {
    const registry = new ModelRegistry()
      .register("plain", z.unknown(), z.unknown())
      .register("elsewhere", z.string(), z.string());
    const flow = tidy(create(plain.to()).run({ registry }));
    expect(await flow.call(1)).toBe(1);
  });
});
