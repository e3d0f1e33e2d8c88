import { describe, expect, test } from "vitest";
import { fieldsOf, initialValue, problemsIn, problemsOf, valueAt, withValueAt } from "../../src/forms/schema-fields.ts";

const schema = {
  type: "object",
  required: ["order", "eur"],
  properties: {
    order: { type: "string", pattern: "^[0-9]{4}$" },
    eur: { type: "number", minimum: 0.01, maximum: 500 },
    speed: { enum: ["slow", "fast"], default: "slow" },
    isGift: { type: "boolean" },
    address: { $ref: "#/$defs/address" },
    tags: { type: "array", items: { type: "string" } },
    note: { anyOf: [{ type: "string", maxLength: 5 }, { type: "null" }] },
  },
  $defs: { address: { type: "object", required: ["city"], properties: { city: { type: "string" } } } },
};

describe("the fields of a schema", () => {
  test("each property has the kind of its type; what has no simple field is JSON", () => {
    const kinds = fieldsOf(schema).map((field) => [field.label, field.kind]);
    expect(kinds).toEqual([
      ["order", "text"],
      ["eur", "number"],
      ["speed", "choice"],
      ["isGift", "boolean"],
      ["address", "group"],
      ["tags", "json"],
      ["note", "text"],
    ]);
  });

  test("a schema of a plain value is one field without a path", () => {
    expect(fieldsOf({ type: "string" })).toMatchObject([{ kind: "text", path: [] }]);
    expect(fieldsOf(undefined)).toMatchObject([{ kind: "json", path: [] }]);
  });

  test("a schema that refers to itself ends", () => {
    const endless = { type: "object", properties: { next: { $ref: "#" } }, $defs: {} };
    expect(fieldsOf(endless)).toMatchObject([{ label: "next", kind: "json" }]);
    const looped = { $ref: "#/$defs/a", $defs: { a: { type: "object", properties: { a: { $ref: "#/$defs/a" } } } } };
    expect(JSON.stringify(fieldsOf(looped)).length).toBeLessThan(5000);
    expect(initialValue(looped)).toBeDefined();
  });
});

test("a form begins with the defaults", () => {
  expect(initialValue(schema)).toEqual({ speed: "slow", address: {} });
});

describe("the problems of a value", () => {
  const fields = fieldsOf(schema);
  const found = (value: unknown): string[] =>
    problemsOf(fields, value).map(({ path, message }) => `${path.join(".")}: ${message}`);

  test("a value that fits has none", () => {
    expect(found({ order: "4471", eur: 49.9, address: { city: "Bern" } })).toEqual([]);
  });

  test("each stands at its field, and names what was expected and given", () => {
    expect(found({ order: "x", eur: 900, speed: "warp", note: "too long", address: {} })).toEqual([
      "order: Expected a text that matches ^[0-9]{4}$",
      "eur: Expected at most 500, got 900",
      "speed: Expected one of the choices",
      "address.city: Expected a value",
      "note: Expected at most 5 characters, got 8",
    ]);
    expect(found({ order: "4471", eur: Number.NaN, address: { city: "Bern" } })).toEqual(["eur: Expected a number"]);
  });
});

test("a changed value leaves the rest as it was, and an absent one removes its key", () => {
  const before = { a: { b: 1, c: 2 }, d: 3 };
  expect(withValueAt(before, ["a", "b"], 5)).toEqual({ a: { b: 5, c: 2 }, d: 3 });
  expect(withValueAt(before, ["a", "b"], undefined)).toEqual({ a: { c: 2 }, d: 3 });
  expect(withValueAt(undefined, ["a", "b"], 1)).toEqual({ a: { b: 1 } });
  expect(before).toEqual({ a: { b: 1, c: 2 }, d: 3 });
  expect(valueAt(before, ["a", "x", "y"])).toBeUndefined();
});

test("problems that the server tells are read from the details of its error", () => {
  expect(problemsIn([{ path: ["eur"], message: "too much" }])).toEqual([{ path: ["eur"], message: "too much" }]);
  expect(problemsIn({ issues: [{ path: [{ key: "a" }, 0], message: "no" }] })).toEqual([
    { path: ["a", "0"], message: "no" },
  ]);
  expect(problemsIn("nonsense")).toEqual([]);
});
