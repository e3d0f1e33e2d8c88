import { expect, test } from "vitest";
import { main } from "../simulate-your-flow/main.ts";
import { quietly } from "./quietly.ts";

test("finds the order that is charged twice, and nothing once it is mended", async () => {
  const { failure, report } = await quietly(main);
  expect(failure.broken).toEqual([expect.stringMatching(/order \d+ was charged 2 times/)]);
  expect(report).toMatchObject({ seeds: 200 });
  expect(report.faults["a handler throws when its work is done"] ?? 0).toBeGreaterThan(0);
});
