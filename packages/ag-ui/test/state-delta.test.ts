import * as fc from "fast-check";
import { expect, test } from "vitest";
import { deltaOf, type PatchOperation } from "../src/state-delta.ts";

/** Applies operations as RFC 6902 says. */
function applied(document: unknown, operations: readonly PatchOperation[]): unknown {
  let root = structuredClone(document);
  for (const operation of operations) {
    const keys = operation.path
      .split("/")
      .slice(1)
      .map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
    const key = keys.pop();
    if (key === undefined) {
      if (operation.op !== "remove") root = operation.value;
      continue;
    }
    const place = keys.reduce((at, step) => (at as Record<string, unknown>)[step], root) as Record<string, unknown>;
    if (operation.op === "remove") {
      if (!Object.hasOwn(place, key)) throw new Error(`There is nothing to remove at ${operation.path}`);
      if (Array.isArray(place)) place.splice(Number(key), 1);
      else delete place[key];
    } else if (Array.isArray(place) && key === "-") place.push(operation.value);
    else
      Object.defineProperty(place, key, {
        value: operation.value,
        enumerable: true,
        configurable: true,
        writable: true,
      });
  }
  return root;
}

const json = fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.parse(JSON.stringify(value)) as unknown);

test("the operations make the second value of the first", () => {
  fc.assert(
    fc.property(json, json, (before, after) => {
      expect(applied(before, deltaOf(before, after))).toEqual(after);
    }),
  );
});

test("what is alike gives no operation, and an item at the end of a list gives one", () => {
  expect(deltaOf({ a: [1, { b: 2 }] }, { a: [1, { b: 2 }] })).toEqual([]);
  expect(deltaOf({ a: [1] }, { a: [1, 2] })).toEqual([{ op: "add", path: "/a/-", value: 2 }]);
  expect(deltaOf({ "a/b~": 1 }, {})).toEqual([{ op: "remove", path: "/a~1b~0" }]);
});
