import { expect, test } from "vitest";
import { main } from "../traceable-errors/main.ts";
import { quietly } from "./quietly.ts";

test("every failure comes out with its code, node, attempt, cause and message", async () => {
  const results = await quietly(main);
  expect(results["good"]).toBe("rookery 1.5.0");
  expect(results["not JSON"]).toMatch(/^NODE_EXCEPTION at node "parse", attempt 1\n {2}cause {4}SyntaxError: /);
  expect(results["not a manifest"]).toMatch(/^OUTPUT_INVALID at node "parse", attempt 1\n/);
  expect(results["too new"]).toMatch(
    /^NODE_EXCEPTION at node "raise", attempt 2\n {2}cause {4}RangeError: Version 100/,
  );
  expect(results["too new"]).toContain(`message  {"name":"rookery","version":"100.0.0"}`);
  expect(results["too new"]).toMatch(/payload {2}\{.*"traceId":"too new","tenant":"acme","node":"raise"/);
});
