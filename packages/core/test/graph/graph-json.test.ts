import { readFileSync } from "node:fs";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { create, graphToJson, joinK, node, payloadNode, shape } from "penguiflow";
import { afterEach, describe, expect, test } from "vitest";
import { z } from "zod";

const ignore = () => {};

afterEach(() => void unsubscribe("penguiflow:run", ignore));

describe("the schemas of a node in the graph's JSON", () => {
  test("are those of its payloads before and after, where their library gives JSON Schema", () => {
    const count = payloadNode(
      { name: "count", input: z.string().min(1), output: z.string().transform(Number).pipe(z.number()) },
      (text) => String(text.length),
    );
    const [json] = graphToJson(create(count.to())).nodes;
    expect(json?.inputSchema).toMatchObject({ type: "string", minLength: 1 });
    expect(json?.outputSchema).toMatchObject({ type: "number" });
    expect(JSON.parse(JSON.stringify(json))).toEqual(json);
  });

  test("are absent for other schemas, and for those that JSON Schema cannot express", () => {
    const plain = payloadNode({ name: "plain", input: shape<number>() }, (value) => value);
    const odd = payloadNode({ name: "odd", input: z.map(z.string(), z.number()) }, (map) => map.size);
    for (const json of graphToJson(create(plain.to(), odd.to())).nodes) expect(json).not.toHaveProperty("inputSchema");
  });
});

describe("the place of a node in the graph's JSON", () => {
  test("is the line that makes it, while a tool watches runs", () => {
    subscribe("penguiflow:run", ignore);
    const made = [
      payloadNode("first", (value: number) => value),
      joinK("second", 1, { input: shape<number>() }),
    ] as const;
    const [first, second] = made;
    const lines = readFileSync(import.meta.filename, "utf8").split("\n");
    for (const { name, source } of graphToJson(create(first.to(second))).nodes) {
      expect(source?.file).toContain("graph-json.test.ts");
      expect(lines[source!.line - 1]).toContain(`"${name}"`);
    }
  });

  test("is not noted otherwise", () => {
    const quiet = node("quiet", (message) => message);
    subscribe("penguiflow:run", ignore);
    const [json] = graphToJson(create(quiet.to())).nodes;
    expect(json).not.toHaveProperty("source");
  });
});
