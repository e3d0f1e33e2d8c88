import { describe, expect, it } from "vitest";
import { sampleOf } from "../../src/parts/sample-of.ts";

describe("a sample of a schema", () => {
  it("has the required properties, each with a value of its type", () => {
    const schema = {
      type: "object",
      properties: {
        text: { type: "string" },
        count: { type: "integer", minimum: 1 },
        isUrgent: { type: "boolean" },
        tags: { type: "array", items: { type: "string" } },
        note: { type: "string" },
      },
      required: ["text", "count", "isUrgent", "tags"],
    };
    expect(sampleOf(schema)).toEqual({ text: "", count: 1, isUrgent: false, tags: [] });
  });

  it("prefers defaults, constants, examples and the first of several", () => {
    expect(sampleOf({ type: "string", default: "hello" })).toBe("hello");
    expect(sampleOf({ const: 7 })).toBe(7);
    expect(sampleOf({ enum: ["a", "b"] })).toBe("a");
    expect(sampleOf({ examples: [{ id: 1 }] })).toEqual({ id: 1 });
    expect(sampleOf({ anyOf: [{ type: "number" }, { type: "string" }] })).toBe(0);
    expect(sampleOf({ type: ["null", "string"] })).toBeNull();
  });

  it("ends where a schema contains itself", () => {
    const schema: Record<string, unknown> = { type: "object" };
    schema["properties"] = { inner: schema };
    expect(() => sampleOf(schema)).not.toThrow();
  });

  it("is an empty text or an empty object without a schema", () => {
    expect(sampleOf(undefined, true)).toBe("");
    expect(sampleOf(undefined)).toEqual({});
  });
});
