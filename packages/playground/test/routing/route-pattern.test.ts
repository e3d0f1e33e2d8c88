import { expect, test } from "vitest";
import { matchPath, pathTo } from "../../src/routing/route-pattern.ts";

test("a pattern gives the decoded values of its named parts", () => {
  expect(matchPath("/runs/:flow/:id", "/runs/ask%20docs/run%2F1")).toEqual({ flow: "ask docs", id: "run/1" });
  expect(matchPath("/runs", "/runs/")).toEqual({});
  expect(matchPath("/", "/")).toEqual({});
});

test("a path of another length or with other words does not fit", () => {
  expect(matchPath("/runs/:flow/:id", "/runs/support")).toBeUndefined();
  expect(matchPath("/runs", "/flows")).toBeUndefined();
});

test("a badly encoded path fits nothing", () => {
  expect(matchPath("/runs/:id", "/runs/%E0%A4%A")).toBeUndefined();
});

test("a path that was built is found again, whatever its parts contain", () => {
  const flow = "a/b c?d#e%f";
  expect(matchPath("/flows/:flow", pathTo("flows", flow))).toEqual({ flow });
});
