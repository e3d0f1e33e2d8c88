import { describe, expect, it } from "vitest";
import { DOT_MS, DotField } from "../../src/graph/dot-field.ts";
import { layoutGraph } from "../../src/graph/layout-graph.ts";
import { wideGraph } from "../load/lifelike-flow.ts";

const { edges } = await layoutGraph(wideGraph());
const [edge] = edges;

function dotsAt(field: DotField, now: number): { x: number; y: number }[] {
  const found: { x: number; y: number }[] = [];
  field.at(now, (x, y) => found.push({ x, y }));
  return found;
}

describe("dots", () => {
  it("go from the start of their edge to its end, and are gone", () => {
    const field = new DotField(edges);
    field.send(edge!.id, 1000);
    const [start] = dotsAt(field, 1000);
    expect(start!.x).toBeCloseTo(edge!.way[0]!.x, 1);
    const [end] = dotsAt(field, 1000 + DOT_MS - 0.001);
    expect(end!.x).toBeCloseTo(edge!.way.at(-1)!.x, 1);
    expect(dotsAt(field, 1000 + DOT_MS)).toEqual([]);
    expect(field.size).toBe(0);
  });

  it("are not drawn before they leave", () => {
    const field = new DotField(edges);
    field.send(edge!.id, 1000);
    expect(dotsAt(field, 999)).toEqual([]);
    expect(field.size).toBe(1);
  });

  it("of an edge that is not drawn are left out", () => {
    const field = new DotField(edges);
    field.send("nowhere>else", 0);
    expect(field.size).toBe(0);
  });

  it("are bounded in number, and can all be taken off", () => {
    const field = new DotField(edges);
    for (let count = 0; count < 10_000; count++) field.send(edge!.id, count);
    expect(field.size).toBe(1_200);
    field.clear();
    expect(field.size).toBe(0);
  });

  it("stay on their way when others arrive before them", () => {
    const field = new DotField(edges);
    field.send(edge!.id, 0);
    field.send(edge!.id, 400);
    expect(dotsAt(field, 500)).toHaveLength(1);
    expect(dotsAt(field, 400 + DOT_MS - 0.001)[0]!.x).toBeCloseTo(edge!.way.at(-1)!.x, 1);
  });
});
