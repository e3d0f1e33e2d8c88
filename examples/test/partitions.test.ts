import { expect, test } from "vitest";
import { main } from "../partitions/main.ts";
import { quietly } from "./quietly.ts";

test("accepts each order once and delivers each outcome, although a partition changes hands in mid-work", async () => {
  expect(await quietly(main)).toEqual({
    readOn: ["orders-1 0", "orders-0 2"],
    ends: {
      "x-1": "a box with a tent, shipped",
      "x-2": "a box with an ice axe, shipped",
      "x-3": "a box with a rope, shipped",
      "y-1": "a box with a stove, shipped",
      "y-2": "a box with a sledge, shipped",
    },
  });
});
