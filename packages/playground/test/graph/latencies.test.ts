import { describe, expect, it } from "vitest";
import { Latencies } from "../../src/graph/latencies.ts";

describe("latencies", () => {
  it("have no quantiles before the first", () => {
    expect(new Latencies().quantiles()).toBeUndefined();
  });

  it("give the nearest-rank p50 and p95", () => {
    const latencies = new Latencies();
    for (let ms = 100; ms >= 1; ms--) latencies.add(ms);
    expect(latencies.quantiles()).toEqual({ p50: 50, p95: 95 });
  });

  it("forget the oldest", () => {
    const latencies = new Latencies();
    for (let count = 0; count < 256; count++) latencies.add(1_000);
    for (let count = 0; count < 256; count++) latencies.add(5);
    expect(latencies.quantiles()).toEqual({ p50: 5, p95: 5 });
    expect(latencies.count).toBe(512);
  });
});
