import { expect, test } from "vitest";
import { type BusEnvelope, MemoryMessageBus } from "penguiflow";
import { rejection } from "../fixtures/watched-flow.ts";

const envelope = (tenant: string, edge: string, payload: unknown = edge): BusEnvelope => {
  const [source = "", target = ""] = edge.split("->");
  return {
    version: 1,
    edge,
    source,
    target,
    flow: "f",
    traceId: "t",
    tenant,
    headers: { tenant },
    payload,
    meta: {},
    at: 0,
  };
};

test("a subscriber is called in order for its tenant and its edge only", async () => {
  const bus = new MemoryMessageBus();
  const [all, one, rival]: [unknown[], unknown[], unknown[]] = [[], [], []];
  bus.subscribe({ tenant: "acme" }, (it) => all.push(it.payload));
  bus.subscribe({ tenant: "acme", edge: "a->b" }, (it) => one.push(it.payload));
  bus.subscribe({ tenant: "rival" }, (it) => rival.push(it.payload));
  await bus.publish([envelope("acme", "a->b", 1), envelope("rival", "a->b", 2), envelope("acme", "b->c", 3)]);
  await bus.publish([envelope("acme", "a->b", 4)]);
  expect([all, one, rival]).toEqual([[1, 3, 4], [1, 4], [2]]);
});

test("a subscriber that throws keeps nothing from the others, and the failures are the rejection", async () => {
  const bus = new MemoryMessageBus();
  const seen: unknown[] = [];
  bus.subscribe({ tenant: "acme" }, () => {
    throw new Error("subscriber broke");
  });
  bus.subscribe({ tenant: "acme" }, (it) => seen.push(it.payload));
  const error = (await rejection(bus.publish([envelope("acme", "a->b"), envelope("acme", "b->c")]))) as AggregateError;
  expect(error.errors).toHaveLength(2);
  expect(seen).toEqual(["a->b", "b->c"]);
});

test("a subscriber that has left is not called any more, also when it leaves while it is called", async () => {
  const bus = new MemoryMessageBus();
  let calls = 0;
  const leave = bus.subscribe({ tenant: "acme" }, () => {
    calls += 1;
    leave();
  });
  await bus.publish([envelope("acme", "a->b"), envelope("acme", "b->c")]);
  leave();
  await bus.publish([envelope("acme", "a->b")]);
  expect(calls).toBe(1);
});
