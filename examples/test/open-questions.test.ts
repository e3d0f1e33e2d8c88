import { expect, test } from "vitest";
import { main } from "../open-questions/main.ts";
import { quietly } from "./quietly.ts";

test("holds no trace that waits, and finds each by its token, by its id and when it is due", async () => {
  const { unloaded, said } = await quietly(() => main(200));
  expect(said).toEqual([
    "201 reports wait, and memory holds none of them",
    "report 7 approved by Maria",
    "report 8 is paused",
    "report 200 approved by the rule for late answers",
    "199 reports wait after a restart",
    "report 9 approved by Jo",
  ]);
  expect(unloaded).toBeGreaterThanOrEqual(201);
});
