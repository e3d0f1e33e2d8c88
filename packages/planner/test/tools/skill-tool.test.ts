import { describe, expect, test } from "vitest";
import { createPlanner, skillTool } from "@penguiflow/planner";
import { scriptedModel } from "@penguiflow/planner/testing";
import { outputs, running } from "../fixtures.ts";

const read = (name: unknown) => ({ calls: [{ tool: "read_skill", args: { name } as { name: string } }] });

const skills = [
  { name: "refunds", description: "Money back", text: "Ask for the receipt first." },
  { name: "pdf-forms", description: "Filling in forms", text: () => Promise.resolve("Read the fields first.") },
];

describe("a tool of skills", () => {
  test("describes all of them, and gives the text of those that the model asks for", async () => {
    const model = scriptedModel([read("refunds"), read("pdf-forms"), "Done"]);
    const end = await running(createPlanner({ name: "p", model, tools: [skillTool(skills)] })).run("?");
    expect(outputs(end)).toEqual([
      { kind: "text", text: "Ask for the receipt first." },
      { kind: "text", text: "Read the fields first." },
    ]);
    const [told] = model.calls[0]?.tools ?? [];
    expect(told).toMatchObject({
      description: `Reads the instructions for a kind of task. Read those that fit before you begin:
- refunds: Money back
- pdf-forms: Filling in forms`,
      inputSchema: { properties: { name: { enum: ["refunds", "pdf-forms"] } } },
    });
  });

  test("tells the model the names that there are when it asks for another", async () => {
    const model = scriptedModel([read("taxes"), read(7), "Done"]);
    const end = await running(createPlanner({ name: "p", model, tools: [skillTool(skills)] })).run("?");
    const text = "The arguments do not fit: name: expected one of refunds, pdf-forms";
    expect(outputs(end)).toEqual([
      { kind: "error", code: "ARGUMENTS_INVALID", text },
      { kind: "error", code: "ARGUMENTS_INVALID", text },
    ]);
  });

  test("shortens a skill that is too long", async () => {
    const long = [{ name: "long", description: "Long", text: "x".repeat(1_000) }];
    const model = scriptedModel([read("long"), "Done"]);
    const tools = [skillTool(long, { maxResultChars: 100 })];
    const [output] = outputs(await running(createPlanner({ name: "p", model, tools })).run("?"));
    expect((output as { readonly text: string }).text.length).toBeLessThan(400);
  });

  test("refuses what it cannot use, by name", () => {
    expect(() => skillTool([])).toThrow('Cannot make tool "read_skill": it needs at least one skill');
    expect(() => skillTool([...skills, skills[0]!])).toThrow('two skills named "refunds"');
    expect(() => skillTool([{ name: "", description: "?", text: "" }])).toThrow("The name of a skill");
    expect(() => skillTool(skills, { name: "read skill" })).toThrow("The name of a tool must be 1 to 64");
    expect(() => skillTool(skills, { maxResultChars: 0 })).toThrow('"maxResultChars" of tool "read_skill"');
    expect(() => skillTool(skills, { limit: 1 } as never)).toThrow('"limit"');
  });
});
