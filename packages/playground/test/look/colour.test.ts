import { expect, test } from "vitest";
import { contrast, difference, rgbOf } from "./colour.ts";

test("black on white has the contrast 21, a colour on itself 1", () => {
  expect(contrast(rgbOf("#000000"), rgbOf("#ffffff"))).toBeCloseTo(21, 5);
  expect(contrast(rgbOf("#0b62a8"), rgbOf("#0b62a8"))).toBe(1);
});

test("the difference is that of CIEDE2000: black and white 100, a colour and itself 0, red and green 86.6", () => {
  expect(difference(rgbOf("#000000"), rgbOf("#ffffff"))).toBeCloseTo(100, 1);
  expect(difference(rgbOf("#b3005e"), rgbOf("#b3005e"))).toBe(0);
  expect(difference(rgbOf("#ff0000"), rgbOf("#00ff00"))).toBeCloseTo(86.6, 1);
});
