import { afterEach, expect, test } from "vitest";
import { bindKeys, boundKeys, KeyReader, type Press } from "../../src/routing/keys.ts";

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

function bound(...keys: string[]): string[] {
  const pressed: string[] = [];
  ends.push(bindKeys(keys.map((name) => ({ keys: name, label: name, run: () => void pressed.push(name) }))));
  return pressed;
}

function press(key: string, more: Partial<Press> = {}): Press {
  return { key, isMod: false, isTyping: false, at: 0, ...more };
}

test("a key runs its binding, in upper and lower case", () => {
  const pressed = bound("n", "Escape");
  const reader = new KeyReader();
  expect(reader.read(press("N"))).toBe(true);
  expect(reader.read(press("Escape"))).toBe(true);
  expect(reader.read(press("x"))).toBe(false);
  expect(pressed).toEqual(["n", "Escape"]);
});

test("two keys are read as a pair when the second follows soon", () => {
  const pressed = bound("g r", "r");
  const reader = new KeyReader();
  reader.read(press("g", { at: 0 }));
  reader.read(press("r", { at: 400 }));
  reader.read(press("g", { at: 1000 }));
  reader.read(press("r", { at: 5000 }));
  expect(pressed).toEqual(["g r", "r"]);
});

test("no key works while text is typed, but one that says so", () => {
  const pressed = bound("n", "g r");
  const asked: string[] = [];
  ends.push(bindKeys([{ keys: "mod+k", label: "go", whileTyping: true, run: () => void asked.push("go") }]));
  const reader = new KeyReader();
  expect(reader.read(press("n", { isTyping: true }))).toBe(false);
  reader.read(press("g", { isTyping: true }));
  expect(reader.read(press("r", { isTyping: true }))).toBe(false);
  expect(reader.read(press("k", { isTyping: true, isMod: true }))).toBe(true);
  expect([pressed, asked]).toEqual([[], ["go"]]);
});

test("the newest binding of a key wins, and the one before it gets what it declines", () => {
  const pressed = bound("Escape");
  let applies = true;
  const own: string[] = [];
  ends.push(bindKeys([{ keys: "Escape", label: "close", run: () => (applies ? void own.push("close") : false) }]));
  const reader = new KeyReader();
  reader.read(press("Escape"));
  applies = false;
  reader.read(press("Escape"));
  expect([own, pressed]).toEqual([["close"], ["Escape"]]);
  expect(boundKeys().map(({ label }) => label)).toEqual(["close"]);
});

test("a binding that is removed is gone", () => {
  const pressed = bound("n");
  for (const end of ends.splice(0)) end();
  expect(new KeyReader().read(press("n"))).toBe(false);
  expect(pressed).toEqual([]);
});
