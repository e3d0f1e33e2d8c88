import { expect, test } from "vitest";
import { main } from "../testing/main.ts";
import { quietly } from "./quietly.ts";

test("all checks of the example hold", async () => {
  expect(await quietly(main)).toHaveLength(5);
});
