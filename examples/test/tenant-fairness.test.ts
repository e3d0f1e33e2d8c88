import { expect, test } from "vitest";
import { main } from "../tenant-fairness/main.ts";
import { quietly } from "./quietly.ts";

test("a quiet tenant is not behind a noisy one, and a weight gives a larger share", async () => {
  const { served, quiet, paying, noisy } = await quietly(main);
  expect(served).toHaveLength(363);
  expect(quiet).toBeLessThan(40);
  // it gets four of five answers while it has requests waiting
  expect(paying).toBeLessThan(110);
  expect(noisy).toBe(363);
});
