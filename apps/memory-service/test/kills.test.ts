import { expect, test } from "vitest";
import { killAndCount } from "./kill-and-count.ts";
import { ownFolder } from "./own-memory.ts";

test("M8: what was accepted before kill -9 is there once, and gets its vector", { timeout: 120_000 }, async () => {
  const report = await killAndCount(ownFolder(), 3, 1);
  expect(report).toMatchObject({ kills: 3, missing: [], twice: [], unembedded: [] });
  expect(report.accepted).toBeGreaterThanOrEqual(3);
});
