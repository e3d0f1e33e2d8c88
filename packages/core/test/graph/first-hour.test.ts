import { describe, expect, test } from "vitest";
import { create, MemoryMessageBus, Message, node, payloadNode } from "penguiflow";
import { rejection, tidy } from "../fixtures/watched-flow.ts";

/** Asserts a type that the compiler has not checked. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- it states the type for the compiler to assume
const unchecked = <Value>(value: unknown): Value => value as Value;
type Handler = (message: Message<string>) => unknown;

const failureOf = async (handler: unknown, payload: unknown = "abc"): Promise<string> => {
  const flow = tidy(create(node("n", unchecked<Handler>(handler)).to()).run());
  return String(await rejection(flow.call(unchecked<string>(payload))));
};

describe("a handler of node that takes the message for its payload is led to payloadNode", () => {
  const takers: readonly [string, unknown][] = [
    ["calls a method of it", (text: string) => text.toUpperCase()],
    ["reads a property it lacks", (text: string) => text.length],
    ["takes it apart", ({ text }: { text: string }) => text],
    ["calculates with it", (number: number) => number * 2],
    ["adds to it", (text: string) => text + text],
  ];
  test.each(takers)("when it %s", async (_, handler) => {
    expect(await failureOf(handler)).toMatch(/message\.payload.*payloadNode/);
  });

  test("when it writes it into a text: the text says so", async () => {
    const flow = tidy(
      create(
        node(
          "n",
          unchecked<Handler>((name: string) => `Hello ${name}`),
        ).to(),
      ).run(),
    );
    expect(await flow.call("ada", { traceId: "t" })).toBe(
      'Hello [message of trace "t"; its payload is message.payload]',
    );
  });

  test("and not when it reads the payload, or hands the message on", async () => {
    expect(await failureOf((message: Message<{ go(): void }>) => message.payload.go())).not.toContain("payloadNode");
    const other = (message: Message): undefined => (message.payload as { go(): undefined }).go();
    expect(await failureOf((message: Message) => other(message))).not.toContain("payloadNode");
    expect(await failureOf((message: Message<string>) => void message.headers)).not.toContain("hello");
  });
});

test("a handler of payloadNode that reads a message is led to node", async () => {
  const flow = tidy(
    create(
      payloadNode(
        "n",
        unchecked<(text: string) => string>((m: Message<string>) => m.payload.trim()),
      ).to(),
    ).run(),
  );
  expect(String(await rejection(flow.call("abc")))).toContain("use node for a handler of the message");
});

describe("create refuses", () => {
  const [a, b] = [payloadNode("a", (n: number) => n), payloadNode("b", (n: number) => n)];
  test.each([
    ["nodes", [a, b], /got node "a"; write a\.to\(next\), or a\.to\(\) for a node alone/],
    ["a node alone", [a], /got node "a"; write a\.to\(next\)/],
    ["a list of edges", [[a.to(b)]], /got an array; write create\(\.\.\.edges\)/],
    ["options that come first", [{ queueMaxSize: 3 }, a.to(b)], /got an object; options come last/],
  ])("%s, and says what to write", (_, args, says) => {
    expect(() => unchecked<(...given: unknown[]) => unknown>(create)(...args)).toThrow(says);
  });
});

describe("run without resources", () => {
  interface Ctx {
    readonly resources: { readonly index: Map<string, number>; readonly db: { get(key: string): number } };
  }
  const flowOf = (handler: (key: string, ctx: Ctx) => unknown) =>
    unchecked<{ run(options?: object): { stop(): Promise<unknown> } }>(
      create(payloadNode("look", unchecked<(key: string) => unknown>(handler)).to(), { name: "shop" }),
    );

  test.each<[string, (key: string, ctx: Ctx) => unknown, string]>([
    ["by name", (key, ctx) => ctx.resources.index.get(key), "index"],
    [
      "taken apart",
      (key, ctx) => {
        const { index, db } = ctx.resources;
        return index.get(key) ?? db.get(key);
      },
      "index, db",
    ],
    ["in the parameter", (key, { resources }) => resources.db.get(key), "db"],
    ["in the parameter, taken apart", (key, { resources: { index, db } }) => index.get(key) ?? db, "index, db"],
  ])("is refused where a handler reads some, and names them: %s", (_, handler, names) => {
    const flow = flowOf(handler);
    expect(() => flow.run()).toThrow(`call run({ resources: { ${names} } })`);
    expect(() => flow.run()).toThrow('Cannot run flow "shop" without resources: node "look" reads ctx.resources.');
  });

  test.each<[string, (key: string, ctx: Ctx) => unknown]>([
    ["asks whether there are any", (_, ctx) => ctx.resources?.index],
    ["has others to fall back on", (key, ctx) => (ctx.resources ?? { index: new Map() }).index.get(key)],
    ["reads resources of its payload", (_key, _ctx) => unchecked<Ctx>(_key).resources.index],
    ["only speaks of them", () => "ctx.resources.index // ctx.resources.db"],
  ])("is accepted where a handler %s", async (_, handler) => {
    expect(await flowOf(handler).run().stop()).toMatchObject({ abandoned: 0 });
  });

  test("is accepted when it is said that there are none", async () => {
    expect(
      await flowOf((key, ctx) => ctx.resources.index.get(key))
        .run({ resources: undefined })
        .stop(),
    ).toMatchObject({ abandoned: 0 });
  });
});

describe("bad input is named, however it is made:", () => {
  const circle: Record<string, unknown> = {};
  circle["self"] = circle;
  let deep: unknown = {};
  for (let level = 0; level < 20_000; level += 1) deep = { deep };
  const bad: readonly [string, unknown][] = [
    ["a bigint", 1n],
    ["what contains itself", circle],
    ["what is nested 20 000 levels deep", deep],
    ["a symbol", Symbol("x")],
  ];
  const a = payloadNode("a", (n: number) => n);
  const flow = create(a.to());

  test.each(bad)("%s", async (_, value) => {
    const running = tidy(flow.run());
    for (const option of ["tenant", "priority", "traceId", "timeoutMs"])
      expect(String(await rejection(running.call(1, { [option]: value })))).toMatch(
        new RegExp(`"${option}".*must be .*: got `),
      );
    expect(() => node(unchecked<{ name: string }>({ name: value }), () => 1)).toThrow(/"name" of a node/);
    expect(() => payloadNode({ name: "x", policy: { maxRetries: value as number } }, () => 1)).toThrow(
      /maxRetries.*got /,
    );
    expect(() => create(a.to(), { queueMaxSize: value as number })).toThrow(/queueMaxSize.*got /);
    await running.stop();
  });

  test("and meta nested 500 levels deep is taken", async () => {
    const running = tidy(flow.run());
    let meta: Record<string, unknown> = {};
    for (let level = 0; level < 500; level += 1) meta = { down: meta };
    expect(await running.call(1, { meta })).toBe(1);
    await running.stop();
  });

  test.each([501, 5_000, 20_000])("meta nested %d levels deep, with the limit and the way there", async (levels) => {
    const running = tidy(flow.run());
    let meta: Record<string, unknown> = {};
    for (let level = 0; level < levels; level += 1) meta = { down: meta };
    const says =
      'RangeError: Cannot keep meta: meta["down"]["down"]["down"]["down"]["down"]["down"]… is nested more than 500 levels deep; send less, or a reference to it';
    const lists = { list: JSON.parse(`${"[".repeat(levels)}${"]".repeat(levels)}`) as unknown };
    expect(String(await rejection(running.call(1, { meta })))).toBe(says);
    expect(() => new Message({ payload: 1, meta: lists })).toThrow(/500 levels deep/);
    expect(() => new Message({ payload: 1 }).with({ meta })).toThrow(/500 levels deep/);
    await running.stop();
  });

  test("a chunk's meta that is nested too deep", async () => {
    const chunks = tidy(
      create(
        payloadNode("a", async (_: number, ctx) => {
          await ctx.emitChunk({ text: "x", meta: { deep } });
          return 1;
        }).to(),
      ).run(),
    );
    expect(String(await rejection(chunks.call(1)))).toContain("nested more than 500 levels deep");
  });
});

describe("a subscription that could receive nothing is refused:", () => {
  test.each([
    [{}, /"tenant" of subscribe must be a non-empty string: got undefined/],
    [{ tenant: "" }, /"tenant"/],
    [undefined, /expected a filter/],
    [{ tenant: "acme", edges: "a->b" }, /Unknown option "edges" of subscribe/],
    [{ tenant: "acme", edge: "a" }, /"edge" of subscribe must be "source->target"/],
  ])("%j", (filter, says) => {
    expect(() => new MemoryMessageBus().subscribe(unchecked<{ tenant: string }>(filter), () => {})).toThrow(says);
  });

  test("one without a function to call", () => {
    expect(() => new MemoryMessageBus().subscribe({ tenant: "acme" }, unchecked<() => void>(undefined))).toThrow(
      /"receive" must be a function/,
    );
  });
});
