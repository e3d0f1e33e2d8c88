import * as fc from "fast-check";
import { isDeepStrictEqual } from "node:util";
import { describe, expect, it } from "vitest";
import { diffValues } from "../../src/timeline/value-diff.ts";

describe("the difference of two values", () => {
  it("names each place as a program would write it", () => {
    const before = { order: "4471", items: [{ price: 1 }, { price: 2 }], "a b": 1 };
    const after = { order: "4472", items: [{ price: 1 }, { price: 3 }, { price: 4 }], "a b": 2 };
    expect(diffValues(before, after).differences).toEqual([
      { path: "order", kind: "changed", before: "4471", after: "4472" },
      { path: "items[1].price", kind: "changed", before: 2, after: 3 },
      { path: "items[2]", kind: "added", after: { price: 4 } },
      { path: '["a b"]', kind: "changed", before: 1, after: 2 },
    ]);
  });

  it("tells a missing value from null, and an array from an object", () => {
    expect(diffValues({ a: null }, {}).differences).toEqual([{ path: "a", kind: "removed", before: null }]);
    expect(diffValues([1], { 0: 1 }).differences).toEqual([
      { path: "", kind: "changed", before: [1], after: { 0: 1 } },
    ]);
  });

  it("stays short, and counts the rest", () => {
    const { differences, more } = diffValues(
      Array.from({ length: 1_000 }, () => 0),
      Array.from({ length: 1_000 }, () => 1),
    );
    expect(differences).toHaveLength(200);
    expect(more).toBe(800);
  });

  it("is empty for equal values, and for no others", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        expect(diffValues(a, structuredClone(a)).differences).toEqual([]);
        const isSame = diffValues(a, b).differences.length === 0;
        expect(isSame).toBe(diffValues(b, a).differences.length === 0);
        expect(isSame).toBe(isDeepStrictEqual(a, b));
      }),
    );
  });
});
