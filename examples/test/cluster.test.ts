import { expect, test } from "vitest";
import { main } from "../cluster/main.ts";
import { quietly } from "./quietly.ts";

test("ships each order once, although a worker is killed in the midst of it", async () => {
  const shipped = await quietly(main);
  expect([...shipped.values()].reduce((sum, count) => sum + count, 0)).toBe(900);
  expect([...shipped.values()].filter((count) => count > 0).length).toBeGreaterThanOrEqual(3);
}, 60_000);
