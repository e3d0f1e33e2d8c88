import { expect, test } from "vitest";
import { main } from "../conversation/main.ts";
import { quietly } from "./quietly.ts";

test("keeps what each turn has said, in the order of the turns, and lets no turn overwrite another", async () => {
  const { items, refused } = await quietly(() => main());
  const lines = items as readonly { readonly who: string; readonly text?: string; readonly unit?: string }[];
  const turn = ["user", "tool", "assistant"];
  expect(lines.map(({ who }) => who)).toEqual([...turn, ...turn, ...turn]);
  expect(refused).toBe(1);
  // a question without a unit means that of the turn before
  expect(lines.filter(({ who }) => who === "tool").map(({ unit }) => unit)).toEqual(["words", "words", "words"]);
  expect(lines.map(({ text }) => text)).toEqual(expect.arrayContaining(["And AGENTS.md?", "And CONTRIBUTING.md?"]));
});
