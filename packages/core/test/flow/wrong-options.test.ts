import { describe, expect, test } from "vitest";
import { type Context, create, limiter, payloadNode } from "penguiflow";
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
