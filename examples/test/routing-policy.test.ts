import { expect, test } from "vitest";
import { main } from "../routing-policy/main.ts";
import { quietly } from "./quietly.ts";

test("follows the table, and the next one while it runs", async () => {
  const { before, after } = await quietly(main);
  expect(before.map((packed) => packed?.by)).toEqual(["small", "fast", undefined, "small"]);
  expect(after.map((packed) => packed?.by)).toEqual(["small", undefined, "fast", "fast"]);
  expect(before[0]?.bytes).toBeLessThan(before[1]?.bytes ?? 0);
});
