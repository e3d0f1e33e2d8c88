import { expect, test } from "vitest";
import { createFlow, main } from "../routing-union/main.ts";
import { quietly } from "./quietly.ts";

test("each kind of expense is refunded by its own rule, and an unknown kind is refused", async () => {
  const { cents, unknown } = await quietly(main);
  expect(cents).toBe(Math.round(184.5 * 30) + 5_000 + 8_900);
  expect(unknown).toMatchObject({ status: "failed", error: { code: "INPUT_INVALID", node: "dispatch" } });
});

test("a meal below the limit is paid in full", async () => {
  await using flow = createFlow();
  flow.run();
  expect(await flow.call({ kind: "meal", cents: 1_999, persons: 1 })).toEqual({ cents: 1_999, note: "meal for 1" });
});
