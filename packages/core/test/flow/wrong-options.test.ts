import { describe, expect, test } from "vitest";
import {
  configureLogging,
  type Context,
  create,
  joinK,
  limiter,
  mapConcurrent,
  MemoryCheckpointStore,
  MemoryStateStore,
  Message,
  payloadNode,
  predicateRouter,
} from "penguiflow";
import { durable } from "penguiflow/durable";
import { running } from "../fixtures/quiet-flow.ts";
import { rejection } from "../fixtures/watched-flow.ts";

/** Mistakes of programs that no compiler has checked. */
type Loose = Readonly<Record<string, (...given: unknown[]) => unknown>>;

const work = payloadNode("work", (n: number) => n);
const loose = (value: unknown): Loose => value as Loose;
const flow = () => running(create(work.to()));

describe("options that are no object are refused by name", () => {
  const REFUSED: readonly [string, (given: unknown) => unknown][] = [
    ["a call", (given) => loose(flow())["call"]?.(1, given)],
    ["a call", (given) => loose(flow())["outcome"]?.(1, given)],
    ["a call", (given) => loose(flow())["emit"]?.(1, given)],
    ["a call", (given) => loose(flow())["stream"]?.(1, given)],
    ["cancel", (given) => loose(flow())["cancel"]?.("a", given)],
    ["signal", (given) => loose(flow())["signal"]?.("a", "hurry", 1, given)],
    ["log", (given) => loose(flow())["log"]?.("a", given)],
    ["fetch", (given) => loose(flow())["fetch"]?.(given)],
    ["pauses.list", (given) => loose(flow().pauses)["list"]?.(given)],
    ["pauses.resume", (given) => loose(flow().pauses)["resume"]?.("a", 1, given)],
    ["start", (given) => loose(create(work.to()))["start"]?.(given)],
    ["durable", (given) => loose({ durable })["durable"]?.(given)],
    ["limiter", (given) => loose({ limiter })["limiter"]?.(given)],
  ];

  test.each(REFUSED)("%s", async (what, act) => {
    for (const [given, shown] of [
      [null, "null"],
      [3, "3"],
    ])
      expect(await rejection((async () => await act(given))())).toMatchObject({
        name: "TypeError",
        message: `The options of ${what} must be an object: got ${shown}`,
      });
  });

  test.each<[string, (ctx: Loose) => unknown]>([
    ["tell", (ctx) => ctx["tell"]?.(null)],
    ["emitChunk", (ctx) => ctx["emitChunk"]?.(null)],
    ["once", (ctx) => ctx["once"]?.("a", () => 1, null)],
    ["signals", (ctx) => ctx["signals"]?.("a", null)],
    ["callPlaybook", (ctx) => ctx["callPlaybook"]?.(create(work.to()), 1, null)],
  ])("%s of a handler", async (what, act) => {
    const node = payloadNode("node", async (_: number, ctx: Context) => await act(loose(ctx)));
    const outcome = await running(create(node.to())).outcome(1);
    expect(outcome).toMatchObject({ error: { cause: { name: "TypeError" } } });
    expect(String((outcome as { error?: Error }).error?.cause)).toBe(
      `TypeError: The options of ${what} must be an object: got null`,
    );
  });
});

test.each(["cancel", "signal", "log", "ensureTraceSignal"])("the trace id of %s is a string", async (method) => {
  for (const [given, shown] of [
    [undefined, "undefined"],
    [3, "3"],
    ["", '""'],
  ])
    expect(await rejection((async () => await loose(flow())[method]?.(given, "a"))())).toMatchObject({
      name: "TypeError",
      message: `Option "traceId" must be a non-empty string: got ${shown}`,
    });
});

test("a signal, the name of a flow and the options of a playbook are what they should be", async () => {
  expect(await rejection(loose(flow())["call"]?.(1, { signal: {} }) as Promise<unknown>)).toMatchObject({
    message: 'Option "signal" must be an AbortSignal: got an object',
  });
  expect(() => create(work.to(), { name: 3 as unknown as string })).toThrow(
    'Option "name" must be a non-empty string: got 3',
  );
  const inner = create(work.to());
  const node = payloadNode(
    "node",
    async (n: number, ctx) => await ctx.callPlaybook(inner, n, { timeout: 3 } as object),
  );
  const outcome = await running(create(node.to())).outcome(1);
  expect(String((outcome as { error?: Error }).error?.cause)).toMatch(/Unknown option "timeout" of callPlaybook/);
});

describe("an option of the wrong kind is refused by its name, with what was given", () => {
  const made = (name: string) => (given: unknown) => create(work.to(), { [name]: given } as object);
  const called = (name: string) => async (given: unknown) => await loose(flow())["call"]?.(1, { [name]: given });
  const REFUSED: readonly [string, (given: unknown) => unknown][] = [
    ...["allowCycles", "emitErrorsToRookery", "stateStore", "messageBus", "tenantWeights", "limits", "logger"].map(
      (name): [string, (given: unknown) => unknown] => [name, made(name)],
    ),
    ...["clock", "random", "scheduler", "recorder"].map((name): [string, (given: unknown) => unknown] => [
      name,
      made(name),
    ]),
    ...["meta", "to", "signal"].map((name): [string, (given: unknown) => unknown] => [name, called(name)]),
    ["from", (given) => loose(flow())["fetch"]?.({ from: given })],
    ...["cancel", "log", "ensureTraceSignal", "loadHistory"].map((method): [string, (given: unknown) => unknown] => [
      "tenant",
      (given) => loose(flow())[method]?.("t", { tenant: given }),
    ]),
    ["tenant", (given) => loose(flow())["fetch"]?.({ tenant: given })],
    ["tenant", (given) => loose(flow().pauses)["list"]?.({ tenant: given })],
    ["tenant", (given) => loose(flow().recovery)["discard"]?.("t", { tenant: given })],
    ["task", (given) => loose(flow())["registerExternalTask"]?.("t", given)],
    ["policy", (given) => payloadNode({ name: "a", policy: given as object }, (n: number) => n)],
    ["policy", (given) => joinK("a", 2, { policy: given } as object)],
    ["input", (given) => joinK("a", 2, { input: given } as object)],
    ["policy", (given) => predicateRouter("a", () => [], { policy: given } as object)],
    ["signal", (given) => mapConcurrent([1], (n) => n, { signal: given } as object)],
    ["structured", (given) => configureLogging({ structured: given } as object)],
    ["write", (given) => configureLogging({ write: given } as object)],
    ["clock", (given) => new MemoryCheckpointStore({ clock: given } as object)],
    ["clock", (given) => new MemoryStateStore({ clock: given } as object)],
    ["headers", (given) => new Message({ payload: 1, headers: given as never })],
    ["meta", (given) => new Message({ payload: 1, meta: given as never })],
    ["meta", (given) => new Message({ payload: 1 }).with({ meta: given as never })],
  ];
  test.each(REFUSED)("%s (%#)", async (name, act) => {
    const error = await rejection((async () => await act(3))());
    expect(error).toBeInstanceOf(TypeError);
    expect((error as Error).message).toMatch(new RegExp(`^Option "${name}.*: got 3$`));
  });

  test("the topic of a call and of a message", async () => {
    const message = 'Header "topic" must be a string: got 3';
    expect(await rejection((async () => await called("topic")(3))())).toMatchObject({ name: "TypeError", message });
    expect(() => new Message({ payload: 1 }).with({ topic: 3 as never })).toThrow(message);
  });

  test("a port that lacks a method names it", () => {
    expect(() => create(work.to(), { logger: { info() {} } as never })).toThrow(
      'Option "logger" must be an object with the methods debug, info, warn, error: got an object without debug, warn, error',
    );
  });

  test.each<[string, (ctx: Loose) => unknown, string]>([
    ["emit", (ctx) => ctx["emit"]?.(1, { to: 3 }), 'Option "to" must be a node or its name: got 3'],
    ["emit", (ctx) => ctx["emit"]?.(1, { to: ["next", null] }), 'Option "to" must be a node or its name: got null'],
    [
      "emitNowait",
      (ctx) => ctx["emitNowait"]?.(1, { to: {} }),
      'Option "to" must be a node or its name: got an object',
    ],
    ["emit", (ctx) => ctx["emit"]?.(1, { too: "next" }), 'Unknown option "too" of emit: expected one of "to"'],
    ["emit", (ctx) => ctx["emit"]?.(1, 3), "The options of emit must be an object: got 3"],
    ["fetch", (ctx) => ctx["fetch"]?.({ from: 3 }), 'Option "from" must be a node or its name: got 3'],
    ["emitChunk", (ctx) => ctx["emitChunk"]?.({ text: "", done: 3 }), 'Option "done" must be true or false: got 3'],
    ["emitChunk", (ctx) => ctx["emitChunk"]?.({ text: "", meta: 3 }), 'Option "meta" must be an object: got 3'],
    [
      "emitChunk",
      (ctx) => ctx["emitChunk"]?.({ text: "", streamId: 3 }),
      'Option "streamId" must be a non-empty string: got 3',
    ],
    [
      "emitChunk",
      (ctx) => ctx["emitChunk"]?.({ text: "", parent: 3 }),
      'Option "parent" of emitChunk must be a Message: got 3',
    ],
  ])("%s of a handler: %#", async (_, act, message) => {
    const node = payloadNode("node", async (_n: number, ctx: Context) => await act(loose(ctx)));
    const next = payloadNode("next", (n: unknown) => n);
    const outcome = await running(create(node.to(next))).outcome(1);
    expect((outcome as { error?: Error }).error?.cause).toMatchObject({ name: "TypeError", message });
  });
});
