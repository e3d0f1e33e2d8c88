import { describe, expect, it } from "vitest";
import { fit, pan, reveal, zoomAt } from "../../src/graph/viewport.ts";

const drawing = { width: 2000, height: 500 };
const frame = { width: 1000, height: 600 };

describe("the viewport", () => {
  it("fits a whole drawing into the middle of its frame", () => {
    const { scale, x, y } = fit(drawing, frame);
    expect(drawing.width * scale).toBeLessThanOrEqual(frame.width);
    expect(x).toBeCloseTo((frame.width - drawing.width * scale) / 2);
    expect(y).toBeCloseTo((frame.height - drawing.height * scale) / 2);
  });

  it("does not blow a small graph up, and survives a frame without a size", () => {
    expect(fit({ width: 10, height: 10 }, frame).scale).toBe(1.25);
    expect(fit(drawing, { width: 0, height: 0 })).toEqual({ scale: 1, x: 0, y: 0 });
  });

  it("keeps the point under the pointer where it is", () => {
    const view = { scale: 1, x: 30, y: -20 };
    const around = { x: 300, y: 200 };
    const next = zoomAt(view, 1.5, around);
    expect((around.x - next.x) / next.scale).toBeCloseTo((around.x - view.x) / view.scale);
    expect((around.y - next.y) / next.scale).toBeCloseTo((around.y - view.y) / view.scale);
  });

  it("has a smallest and a largest scale", () => {
    expect(zoomAt({ scale: 1, x: 0, y: 0 }, 1e9, { x: 0, y: 0 }).scale).toBe(3);
    expect(zoomAt({ scale: 1, x: 0, y: 0 }, 1e-9, { x: 0, y: 0 }).scale).toBe(0.1);
  });

  it("never loses the drawing out of sight", () => {
    const far = pan({ scale: 1, x: 0, y: 0 }, { x: -1e6, y: 1e6 }, drawing, frame);
    expect(far.x + drawing.width).toBeGreaterThan(0);
    expect(far.y).toBeLessThan(frame.height);
  });

  it("moves only as far as what gets the focus needs", () => {
    const view = { scale: 1, x: 0, y: 0 };
    expect(reveal(view, { x: 500, y: 300, width: 100, height: 50 }, frame)).toEqual(view);
    expect(reveal(view, { x: 1200, y: 300, width: 100, height: 50 }, frame).x).toBe(-(1250 - (1000 - 16)));
    expect(reveal(view, { x: 20, y: 300, width: 100, height: 50 }, frame).x).toBe(16 + 30);
  });
});
