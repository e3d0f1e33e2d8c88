import { describe, expect, it } from "vitest";
import { formatMs, isZoomed, moveWindow, placeOf, ticksOf, zoomWindow } from "../../src/timeline/time-scale.ts";

const extent = { from: 1_000, to: 5_000 };

describe("the scale of a timeline", () => {
  it("places instants as parts of the window", () => {
    expect([1_000, 2_000, 5_000].map((at) => placeOf(at, extent))).toEqual([0, 0.25, 1]);
  });

  it("has round ticks since the start of the run", () => {
    expect(ticksOf(extent, 1_000).map(({ label }) => label)).toEqual(["0", "1 s", "2 s", "3 s", "4 s"]);
    expect(ticksOf({ from: 1_100, to: 1_150 }, 1_000).map(({ label }) => label)).toEqual([
      "100 ms",
      "110 ms",
      "120 ms",
      "130 ms",
      "140 ms",
      "150 ms",
    ]);
    expect(ticksOf({ from: 0, to: 1 }, 0).map(({ label }) => label)).toEqual([
      "0",
      "0.20 ms",
      "0.40 ms",
      "0.60 ms",
      "0.80 ms",
      "1.00 ms",
    ]);
  });

  it("has few ticks, however long or short the window is", () => {
    for (const span of [0.5, 3, 47, 999, 8_000, 123_456, 86_400_000 * 9])
      expect(ticksOf({ from: 0, to: span }, 0).length).toBeLessThanOrEqual(7);
  });

  it("zooms around an instant, and not out of the run", () => {
    const closer = zoomWindow(extent, 0.5, 2_000, extent);
    expect(closer).toEqual({ from: 1_500, to: 3_500 });
    expect(isZoomed(closer, extent)).toBe(true);
    expect(zoomWindow(closer, 100, 2_000, extent)).toEqual(extent);
    expect(isZoomed(extent, extent)).toBe(false);
  });

  it("moves within the run", () => {
    const window = { from: 2_000, to: 3_000 };
    expect(moveWindow(window, 500, extent)).toEqual({ from: 2_500, to: 3_500 });
    expect(moveWindow(window, 1e9, extent)).toEqual({ from: 4_000, to: 5_000 });
    expect(moveWindow(window, -1e9, extent)).toEqual({ from: 1_000, to: 2_000 });
  });
});

describe("a span of time", () => {
  it("is written with about three digits", () => {
    const spans = [0, 0.4, 41.2, 999, 1_180, 12_345, 60_000, 125_000, 11_400_000, 90_000_000, 200_000_000];
    expect(spans.map((ms) => formatMs(ms))).toEqual([
      "0",
      "<1 ms",
      "41 ms",
      "999 ms",
      "1.18 s",
      "12.3 s",
      "1 min",
      "2 min 5 s",
      "3 h 10 min",
      "25 h",
      "2 d 7 h",
    ]);
  });
});
