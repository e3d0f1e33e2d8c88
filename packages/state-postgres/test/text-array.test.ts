import { expect, test } from "vitest";
import { bytesArray, numberArray, textArray } from "../src/text-array.ts";

const hex = (texts: readonly string[]): string => textArray(texts).toString("hex");

test("texts stand one after the other, each behind its length in bytes", () => {
  const head = (count: string) => `000000010000000000000019${count}00000001`;
  expect(hex([])).toBe(head("00000000"));
  expect(hex(["a", "", "é𐍈"])).toBe(`${head("00000003")}00000001610000000000000006c3a9f0908d88`);
});

test("bodies stand one after the other, each behind its length", () => {
  const bodies = [Uint8Array.of(0, 255), new Uint8Array(), Uint8Array.of(7)];
  const head = "0000000100000000000000110000000300000001";
  expect(bytesArray(bodies).toString("hex")).toBe(`${head}0000000200ff000000000000000107`);
});

test("numbers are written as the server reads them, null for none", () => {
  expect(numberArray([1, null, Number.MAX_SAFE_INTEGER, 1.5, Infinity])).toBe("{1,NULL,9007199254740991,1.5,Infinity}");
  expect(numberArray([])).toBe("{}");
});
