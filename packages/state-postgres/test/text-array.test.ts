import { expect, test } from "vitest";
import { textArray } from "../src/text-array.ts";

const hex = (texts: readonly string[]): string => textArray(texts).toString("hex");

test("texts stand one after the other, each behind its length in bytes", () => {
  const head = (count: string) => `000000010000000000000019${count}00000001`;
  expect(hex([])).toBe(head("00000000"));
  expect(hex(["a", "", "é𐍈"])).toBe(`${head("00000003")}00000001610000000000000006c3a9f0908d88`);
});
