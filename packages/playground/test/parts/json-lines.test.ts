import { describe, expect, it } from "vitest";
import { entriesOf, sizeOf, textOfLeaf } from "../../src/parts/json-lines.ts";

describe("the lines of a JSON value", () => {
  it("know which values have entries, and how many", () => {
    expect([sizeOf([1, 2]), sizeOf({ a: 1 }), sizeOf({}), sizeOf("text"), sizeOf(null), sizeOf(undefined)]).toEqual([
      2, 1, 0, -1, -1, -1,
    ]);
  });

  it("come in parts", () => {
    expect(entriesOf(["a", "b", "c"], 2)).toEqual([
      ["0", "a"],
      ["1", "b"],
    ]);
    expect(entriesOf({ a: 1, b: 2 }, 1)).toEqual([["a", 1]]);
    expect(entriesOf(7, 1)).toEqual([]);
  });

  it("write what has no entries as JSON does", () => {
    expect(['a "b"', 1, null, undefined, [], {}].map(textOfLeaf)).toEqual([
      '"a \\"b\\""',
      "1",
      "null",
      "undefined",
      "[]",
      "{}",
    ]);
  });
});
