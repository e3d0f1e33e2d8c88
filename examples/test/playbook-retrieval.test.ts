import { expect, test } from "vitest";
import { createFlow, main, passagesOf } from "../playbook-retrieval/main.ts";
import { quietly } from "./quietly.ts";

const passages = [
  ...passagesOf(
    "gulls.md",
    "Gulls fly over the harbour.\n\nGulls eat anything at all, also what others have left there.",
  ),
  ...passagesOf("owls.md", "Owls hunt mice.\n\nAnything that moves at night, owls will eat."),
];

test.each([
  ["Gulls over the harbour", "Gulls fly over the harbour.", ["gulls.md"]],
  ["Mice that owls hunt at dusk", "Owls hunt mice.", ["owls.md"]], // three of four words
  ["Owls asleep", "Owls hunt mice.", ["owls.md", "owls.md"]], // one of two words: the shorter first
  ["Which zebras wear pyjamas?", "Nothing is said about that.", []],
])("%s", async (question, text, citations) => {
  await using flow = createFlow();
  flow.run({ resources: { passages } });
  expect(await flow.call(question)).toMatchObject({ text, citations });
});

test("says how often it asked, and cites the documents of this repository", async () => {
  const { searches, answer } = await quietly(main);
  expect(searches[0]).toMatch(/^100 % of the words: \d+ passages$/);
  expect(answer?.text).toMatch(/cancel|trace/i);
  expect(answer?.citations[0]).toMatch(/^docs\//);
});
