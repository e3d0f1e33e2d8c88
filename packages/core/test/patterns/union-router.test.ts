import { expect, test } from "vitest";
import { create, DictRoutingPolicy, type FlowError, payloadNode, shape, unionRouter } from "penguiflow";
import { recorder, rejection, tidy } from "../fixtures/watched-flow.ts";
import { z } from "zod";

const Shape = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("circle"), radius: z.number() }),
  z.object({ kind: z.literal("square"), side: z.coerce.number() }),
]);
const circle = payloadNode("circle", (it: { kind: "circle"; radius: number }) => it.radius);
const square = payloadNode("square", (it: { kind: "square"; side: number }) => it.side * 10);
const flowOf = (middlewares = [recorder().middleware]) =>
  tidy(create(unionRouter("router", Shape).to(circle, square), { middlewares }).run());

test("each variant goes to the node that is named after it", async () => {
  const flow = flowOf();
  expect(await flow.call({ kind: "circle", radius: 3 })).toBe(3);
  expect(await flow.call({ kind: "square", side: 4 })).toBe(40);
});

test("targets get the payload as the schema made it", async () => {
  const { middleware } = recorder();
  const seen: unknown[] = [];
  const see = payloadNode("square", (value: { kind: "square"; side: number }) => void seen.push(value));
  const flow = tidy(create(unionRouter("router", Shape).to(circle, see), { middlewares: [middleware] }).run());
  await flow.outcome({ kind: "square", side: "7" as never, extra: true } as never);
  expect(seen).toEqual([{ kind: "square", side: 7 }]);
});

test("a payload that is no variant fails with INPUT_INVALID", async () => {
  expect(await rejection(flowOf().call({ kind: "line" } as never))).toMatchObject({
    code: "INPUT_INVALID",
    node: "router",
  });
  expect(await rejection(flowOf().call({ kind: "circle", radius: "far" } as never))).toMatchObject({
    code: "INPUT_INVALID",
  });
});

test("variants may be told apart by another property", async () => {
  type Event = { type: "add"; by: number } | { type: "take"; by: number };
  const add = payloadNode("add", (event: { type: "add"; by: number }) => event.by);
  const take = payloadNode("take", (event: { type: "take"; by: number }) => -event.by);
  const router = unionRouter("router", shape<Event>(), { discriminator: "type" });
  const flow = tidy(create(router.to(add, take)).run());
  expect(await flow.call({ type: "take", by: 2 })).toBe(-2);
});

test("a variant that the compiler could not see fails with ROUTE_UNKNOWN, naming router and variant", async () => {
  type Event = { kind: "add" } | { kind: "take" };
  const add = payloadNode("add", (event: { kind: "add" }) => event.kind);
  const take = payloadNode("take", (event: { kind: "take" }) => event.kind);
  const flow = tidy(create(unionRouter("router", shape<Event>()).to(add, take)).run());
  const unknown = (await rejection(flow.call({ kind: "divide" } as never))) as FlowError;
  expect(unknown).toMatchObject({ code: "ROUTE_UNKNOWN", node: "router" });
  expect(unknown.message).toMatch(/divide/);
  for (const payload of [null, 5, {}, { kind: 3 }]) {
    const error = (await rejection(flow.call(payload as never))) as FlowError;
    expect(error).toMatchObject({ code: "ROUTE_UNKNOWN", node: "router" });
    expect(error.message).toMatch(/router.*kind/);
  }
});

test("a policy may drop or redirect a variant", async () => {
  const watch = recorder();
  const policy = new DictRoutingPolicy(
    { circle: null },
    { key: (request) => (request.message.payload as { kind: string }).kind },
  );
  const flow = tidy(
    create(unionRouter("router", Shape, { policy }).to(circle, square), { middlewares: [watch.middleware] }).run(),
  );
  expect((await flow.outcome({ kind: "circle", radius: 1 })).status).toBe("empty");
  expect(await flow.call({ kind: "square", side: 1 })).toBe(10);
  await flow.flush();
  expect(watch.of("route_drop")).toHaveLength(1);
});
