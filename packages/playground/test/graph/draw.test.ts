import { create, flowNode, graphToJson, payloadNode } from "penguiflow";
import { describe, expect, test } from "vitest";
import { drawGraph } from "../../src/draw.ts";

const LINES = { name: "rank", effects: "reads", policy: { timeoutMs: 2_000, maxRetries: 2 } } as const;

/** Bounds of a box, as the file has them: those of nodes inside a frame count from the frame. */
function boxesOf(
  svg: string,
): { readonly x: number; readonly y: number; readonly width: number; readonly height: number }[] {
  const found = svg.matchAll(
    /<g transform="translate\(([\d.]+) ([\d.]+)\)"><title>.*?<\/title>\n?<rect [^>]*?width="([\d.]+)" height="([\d.]+)"/g,
  );
  return [...found].map(([, ...numbers]) => {
    const [x, y, width, height] = numbers.map(Number) as [number, number, number, number];
    return { x, y, width, height };
  });
}

describe("the picture of a flow", () => {
  const terms = payloadNode("terms", (text: string) => text);
  const rank = payloadNode(LINES, (text: string) => text);
  const search = create(terms.to(rank), { name: "search" });

  test("has each option of a node that is no default on a line of its own, inside its box", async () => {
    const svg = await drawGraph(graphToJson(search));
    const lines = [...svg.matchAll(/<text class="words" x="10" y="(\d+)"[^>]*>(.*?)<\/text>/g)];
    expect(lines.map(([, , text]) => text)).toEqual(["reads", "retries 2", "timeout 2000 ms"]);
    const [, tall] = boxesOf(svg);
    for (const [, y] of lines) expect(Number(y)).toBeLessThan(tall!.height);
  });

  test("has a subflow as a frame around its nodes", async () => {
    const ask = payloadNode("ask", (text: string) => text);
    const find = flowNode("find", search);
    const svg = await drawGraph(graphToJson(create(ask.to(find), { name: "asks" })));
    const [, frame, ...inside] = boxesOf(svg);
    expect(svg.match(/class="frame idle"/g)).toHaveLength(1);
    expect(inside).toHaveLength(2);
    for (const { x, y, width, height } of inside) {
      expect(x + width).toBeLessThan(frame!.width);
      expect(y + height).toBeLessThan(frame!.height);
    }
  });

  test("goes down the page where it would be a strip", async () => {
    const nodes = Array.from({ length: 20 }, (_, index) => payloadNode(`node-${index}`, (text: string) => text));
    const edges = nodes.slice(1).map((node, index) => nodes[index]!.to(node));
    const svg = await drawGraph(graphToJson(create(...(edges as [(typeof edges)[0]]), { name: "long" })));
    const [, width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg) ?? [];
    expect(Number(height)).toBeGreaterThan(Number(width));
  });

  test("has a colour for dark surroundings wherever it has one for light ones", async () => {
    const svg = await drawGraph(graphToJson(search));
    const [, dark = ""] = /<style>@media \(prefers-color-scheme:dark\)\{(.*)\}<\/style>/.exec(svg) ?? [];
    const classes = new Set([...svg.matchAll(/class="([^"]+)"/g)].flatMap(([, names]) => names!.split(" ")));
    for (const name of classes) expect(dark).toMatch(new RegExp(`\\.${name}[,{.]`));
  });

  test("is the same file each time", async () => {
    expect(await drawGraph(graphToJson(search))).toBe(await drawGraph(graphToJson(search)));
  });
});
