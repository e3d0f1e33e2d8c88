import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as adapter from "penguiflow/adapter";

const { fromStorable, requireInteger, requireOneOf, requireRetention, summaryOf, toStorable } = adapter;

/** Texts of what is hard to keep, and what stands for it. */
const texts = fc.string({
  unit: fc.constantFrom("\0", "\\", "\ud800", "\udc00", "𐍈", "0", "5", "c", "a"),
  maxLength: 300,
});

describe("what packages beside the core share", () => {
  test("a text is kept as one that databases take, and comes back as it was", () => {
    fc.assert(
      fc.property(texts, (text) => {
        const kept = toStorable(text);
        expect(kept.isWellFormed() && !kept.includes("\0")).toBe(true);
        expect(fromStorable(kept)).toBe(text);
      }),
    );
  });

  test("a row gives the summary that was written into it, and nothing for an empty column", () => {
    const row = { tenant: toStorable("a\0"), trace_id: "t", state: "failed", started_at: 1, last_at: 2 };
    expect(summaryOf({ ...row, id: 7, flow: "shop", node: null, error_code: "NODE_TIMEOUT" })).toEqual({
      tenant: "a\0",
      traceId: "t",
      flow: "shop",
      state: "failed",
      startedAt: 1,
      lastAt: 2,
      node: undefined,
      errorCode: "NODE_TIMEOUT",
    });
  });

  test.each([
    [() => requireRetention({ maxAgeMs: 0 }), RangeError, 'Option "maxAgeMs" must be a number of 1 or more: got 0'],
    [() => requireRetention({ maxTraces: 1.5 }), RangeError, 'Option "maxTraces" must be a whole number of 1 or more'],
    [() => requireInteger("limit", 2 ** 60, 1), RangeError, 'Option "limit" must be a whole number of 1 or more'],
    [() => requireOneOf("mode", "C", ["a", "b"]), TypeError, 'Option "mode" must be one of "a", "b": got "C"'],
  ] as const)("a check names the option, what is wanted and what was given", (check, kind, message) => {
    expect(check).toThrow(kind);
    expect(check).toThrow(message);
  });

  test("limits that are in range, or left out, pass", () => {
    requireRetention({});
    expect(() => requireRetention({ maxAgeMs: 1.5, maxTraces: 1, maxEventsPerTrace: 2, maxBytes: 3 })).not.toThrow();
  });
});
