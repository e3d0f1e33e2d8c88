import { Graphviz } from "@hpcc-js/wasm-graphviz";
import { expect, test } from "vitest";
import { createFlow, main } from "../visualizer/main.ts";
import { quietly } from "./quietly.ts";

const NODES = ["guard", "refuse", "documents", "tokenise", "look", "tickets", "gather", "begin", "plan"];

test("Graphviz draws the DOT with every node, also those of the flow inside", async () => {
  const svg = (await Graphviz.load()).dot(await quietly(() => main("dot")));
  for (const name of NODES) expect(svg).toContain(`>${name}`);
});

test("the Mermaid text marks the loop and frames the flow inside", async () => {
  const drawing = await quietly(() => main());
  expect(drawing).toMatch(/^flowchart LR\n/);
  expect(drawing).toContain("-. loop .->");
  expect(drawing).toMatch(/subgraph \w+ \["documents/);
});

test("the JSON can be read back", async () => {
  const graph = JSON.parse(await quietly(() => main("json"))) as { nodes: { name: string; inner?: unknown }[] };
  expect(graph.nodes.map(({ name }) => name).toSorted()).toEqual(
    NODES.filter((name) => name !== "tokenise" && name !== "look").toSorted(),
  );
  expect(graph.nodes.find(({ name }) => name === "documents")?.inner).toBeDefined();
});

test("what is drawn also runs", async () => {
  await using flow = createFlow();
  flow.run();
  const outcome = await flow.outcome("Where do penguins swim? And why?");
  if (outcome.status !== "completed" || typeof outcome.result === "string") throw new Error(outcome.status);
  expect(outcome.result.text).toMatch(/^(7 \+ 3|3 \+ 7) hits$/);
  expect(await flow.call("x".repeat(201))).toBe("Too long: 201 letters");
});

test("another format is refused by name", () => {
  expect(() => main("png")).toThrow(`Cannot draw as "png": the formats are mermaid, dot, json`);
});
