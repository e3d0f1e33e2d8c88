import { expect, test } from "vitest";
import { main } from "../steering/main.ts";
import { quietly } from "./quietly.ts";

test("skips what a signal names from then on, and reports to the recipient of another", async () => {
  const { read, result } = await quietly(() => main("docs"));
  expect(read.length).toBeGreaterThan(10);
  expect(read.filter((file) => file.includes("guides/"))).toEqual([]);
  expect(result).toMatch(new RegExp(`^to Maria: ${read.length} pages, \\d+ words$`));
});
