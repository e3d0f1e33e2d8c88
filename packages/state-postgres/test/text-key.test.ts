import * as fc from "fast-check";
import { expect, test } from "vitest";
import { fromJsonText, toJsonText, toKey } from "../src/text-key.ts";

/** Texts of characters that are hard to store, and of their encodings. */
const texts = fc.string({
  unit: fc.constantFrom("\0", "\\", "\ud800", "\udc00", "𐍈", "0", "5", "c", "#", "a"),
  maxLength: 300,
});

test("a JSON text is kept as it is where that can be, and comes back as it was", () => {
  fc.assert(
    fc.property(texts, (text) => {
      const kept = toJsonText(text);
      expect(kept.isWellFormed() && !kept.includes("\0")).toBe(true);
      expect(fromJsonText(kept)).toBe(text);
      const json = JSON.stringify(text);
      expect(toJsonText(json)).toBe(json);
    }),
  );
});

test("two texts never have one key, and a key has its bounds", () => {
  fc.assert(
    fc.property(texts, texts, (one, other) => {
      expect(toKey(one) === toKey(other)).toBe(one === other);
      expect(Buffer.byteLength(toKey(one))).toBeLessThan(1_000);
    }),
  );
  const long = "a".repeat(1_000);
  expect(toKey(`${long}1`)).not.toBe(toKey(`${long}2`));
  expect(toKey(toKey(long))).toBe(toKey(long).replace("\\", "\\005c"));
});
