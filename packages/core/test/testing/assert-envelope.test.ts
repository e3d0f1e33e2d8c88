import { describe, expect, test } from "vitest";
import { Message, node, payloadNode } from "penguiflow";
import { assertPreservesMessageEnvelope, simulateError } from "penguiflow/testing";
import { rejection } from "../fixtures/watched-flow.ts";

const message = new Message({
  payload: 1,
  traceId: "t",
  headers: { tenant: "acme", topic: "birds", priority: 2 },
  deadlineAt: Date.now() + 60_000,
  meta: { lang: "de", nested: { a: [1] } },
});

describe("assertPreservesMessageEnvelope holds for", () => {
  test.each([
    ["message.with", node("n", (it: Message<number>) => it.with({ payload: it.payload + 1 }))],
    ["a bare payload", node("n", (it: Message<number>) => it.payload + 1)],
    ["a payload node", payloadNode("n", async (it: number) => it + 1)],
    [
      "a message that is emitted",
      node("n", async (it: Message<number>, ctx) => {
        await ctx.emit(it.with({ payload: 2 }));
        return undefined as number | undefined;
      }),
    ],
  ])("a node that uses %s, and gives its result", async (_, one) => {
    const result = await assertPreservesMessageEnvelope(one, { message });
    expect(result.payload).toBe(2);
    expect(result.meta).toEqual(message.meta);
  });

  test("a node that needs resources", async () => {
    const one = node("n", (it: Message<number>, ctx) => it.payload + (ctx.resources as { by: number }).by);
    expect((await assertPreservesMessageEnvelope(one, { message, resources: { by: 5 } })).payload).toBe(6);
  });
});

describe("assertPreservesMessageEnvelope names", () => {
  const { payload, headers, traceId, deadlineAt, meta } = message;
  test.each<[string, () => Message<number>]>([
    ["traceId", () => new Message({ payload, headers, deadlineAt, meta })],
    ["headers", () => new Message({ payload, headers: { tenant: "thief" }, traceId, deadlineAt, meta })],
    ["headers", () => new Message({ payload, headers: { tenant: "acme", topic: "birds" }, traceId, deadlineAt, meta })],
    ["headers", () => message.with({ topic: "fish" })],
    ["deadlineAt", () => new Message({ payload, headers, traceId, meta })],
    ["meta", () => new Message({ payload, headers, traceId, deadlineAt })],
    ["meta", () => message.with({ meta: { ...meta, more: 1 } })],
  ])("%s when it was changed", async (part, make) => {
    const one = node("changer", (_: Message<number>) => make());
    const error = (await rejection(assertPreservesMessageEnvelope(one, { message }))) as Error;
    expect(error.message).toMatch(new RegExp(`"changer" does not preserve the envelope: ${part} was`));
  });

  test("what an emitted message changed as well as a returned one", async () => {
    const one = node("changer", async (it: Message<number>, ctx) => {
      await ctx.emit(new Message({ payload: it.payload, traceId: "other", headers: { tenant: "thief" } }));
      return undefined as number | undefined;
    });
    const error = (await rejection(assertPreservesMessageEnvelope(one, { message }))) as Error;
    expect(error.message).toMatch(/does not preserve the envelope/);
  });
});

test("a node whose handler fails is no question of the envelope: its error is the rejection", async () => {
  const one = payloadNode("failing", (_: number): number => {
    throw new Error("boom");
  });
  expect(await rejection(assertPreservesMessageEnvelope(one, { message }))).toMatchObject({ code: "NODE_EXCEPTION" });
});

test("meta keys in another order, or meta that JSON cannot hold, are no change", async () => {
  const reorder = node("n", (it: Message<number>) =>
    it.with({ meta: { nested: it.meta["nested"], lang: it.meta["lang"] } }),
  );
  expect((await assertPreservesMessageEnvelope(reorder, { message })).payload).toBe(1);
  const session = { open: true, self: undefined as unknown };
  session.self = session;
  class Session {
    readonly inner = session;
  }
  const own = new Message({ payload: 1, meta: { session: new Session(), big: 10n } });
  await assertPreservesMessageEnvelope(
    payloadNode("n", (it: number) => it),
    { message: own },
  );
});

test("faults that are simulated at the node stay in place", async () => {
  const one = payloadNode("n", (it: number) => it);
  const mend = simulateError(one, { error: new Error("simulated") });
  expect(await rejection(assertPreservesMessageEnvelope(one, { message }))).toMatchObject({ code: "NODE_EXCEPTION" });
  expect(await rejection(assertPreservesMessageEnvelope(one, { message }))).toMatchObject({ code: "NODE_EXCEPTION" });
  mend();
  await assertPreservesMessageEnvelope(one, { message });
});
