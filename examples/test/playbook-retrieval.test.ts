import { expect, test } from "vitest";
import { main } from "../playbook-retrieval/main.ts";
import { quietly } from "./quietly.ts";

test("asks again with less until it finds a passage, and cites it", async () => {
  const { searches, answer } = await quietly(main);
  expect(searches.length).toBeGreaterThan(1);
  expect(searches[0]).toBe("100 % of the words: 0 passages");
  expect(answer?.text).toMatch(/cancel/i);
  expect(answer?.citations[0]).toMatch(/^docs\//);
});

test("takes the first search when it has all the words", async () => {
  const { searches, answer } = await quietly(() => main("idempotencyKey"));
  expect(searches).toHaveLength(1);
  expect(answer?.text).toContain("idempotencyKey");
});

test("says so when nothing is said about it", async () => {
  const { searches, answer } = await quietly(() => main("Which zebras wear pyjamas tonight?"));
  expect(searches).toHaveLength(3);
  expect(answer).toMatchObject({ text: "Nothing is said about that.", citations: [] });
});
