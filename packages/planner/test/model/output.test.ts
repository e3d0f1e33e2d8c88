import type { LanguageModelV4 } from "@ai-sdk/provider";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { firstJson } from "../../src/model/first-json.ts";
import { outputNote, readOutput } from "../../src/model/output.ts";
import { scriptedModel } from "../../src/testing/index.ts";
import { ask } from "./request.ts";

const output = { type: "object", properties: { n: { type: "number" } } };

test("a typed answer is asked for by response format, and in words for providers that have none", async () => {
  const model = scriptedModel(['{"n":1}']);
  await ask(model, { output, prompt: [{ role: "system", content: "Count." }] });
  expect(model.calls[0]).toMatchObject({
    responseFormat: { type: "json", schema: output },
    prompt: [{ role: "system", content: expect.stringMatching(/^Count\.[^]*"n":\{"type":"number"\}/) as string }],
  });
});

test("in JSON mode a typed answer is part of the action, and a value in later prompts, too", async () => {
  const model = scriptedModel(['{"answer":{"n":1}}', '{"answer":{"n":2}}']);
  const { parts, text } = await ask(model, { mode: "json", output });
  expect(text).toBe('{"n":1}');
  const content = parts.map((part) => ({ type: "text" as const, text: part.type === "text" ? part.text : "" }));
  await ask(model, { mode: "json", output, prompt: [{ role: "assistant", content }] });
  expect(model.calls[1]).not.toHaveProperty("responseFormat");
  expect(model.calls[1]?.prompt).toMatchObject([
    { role: "system", content: expect.stringContaining('"n":{"type":"number"}') as string },
    { role: "assistant", content: [{ text: '{"answer":{"n":1}}' }] },
  ]);
});

test.each([
  ['{"n":1}', { n: 1 }],
  ["7", 7],
  ['"text"', "text"],
  ['Here:\n```json\n{"n":1}\n```', { n: 1 }],
  ['The list: [{"n":1}, {"n":2}]', [{ n: 1 }, { n: 2 }]],
])("a typed answer is read out of %s", (text, value) => {
  expect(readOutput(text)).toEqual({ found: true, value });
});

test("what is no JSON is told", () => {
  const read = readOutput("It is one.");
  expect(read).toEqual({ found: false, problem: "no JSON object was found in it" });
  expect(outputNote("no JSON object was found in it")).toBe(
    "Your last answer cannot be used: no JSON object was found in it. Answer again, with JSON that fits the schema",
  );
});

test("a typed answer is the text that the provider says it is, also when it is empty", async () => {
  const drafting = (structuredOutputText: string): LanguageModelV4 => ({
    ...scriptedModel([]),
    doGenerate: async () => ({
      content: [
        { type: "text", text: 'A draft: {"n":0}. ' },
        { type: "text", text: '{"n":1}' },
      ],
      structuredOutputText,
      finishReason: { unified: "stop", raw: undefined },
      usage: undefined as never,
      warnings: [],
    }),
  });
  expect((await ask(drafting('{"n":1}'), { output })).text).toBe('{"n":1}');
  expect(await ask(drafting(""), { output })).toMatchObject({
    text: "",
    problem: expect.stringContaining("empty") as string,
  });
  expect((await ask(drafting('{"n":1}'))).text).toBe('A draft: {"n":0}. {"n":1}');
});

test("a value that stands in prose is found, and no text makes the search fail", () => {
  const prose = fc.string().filter((text) => !/[{}[\]]/.test(text));
  fc.assert(
    fc.property(prose, fc.dictionary(fc.string(), fc.jsonValue()), prose, (before, value, after) => {
      const json = JSON.stringify(value);
      expect(firstJson(`${before}${json}${after}`, "object")).toEqual({
        found: true,
        value: JSON.parse(json) as unknown,
      });
    }),
  );
  const pieces = fc.array(fc.constantFrom("{", "}", "[", "]", '"', "\\", ":", ",", "1", "a", " "));
  fc.assert(fc.property(pieces, (some) => typeof firstJson(some.join(""), "any").found === "boolean"));
});
