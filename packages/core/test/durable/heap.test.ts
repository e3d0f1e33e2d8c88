import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

test("ten thousand traces at once, six times over: all end, the checkpoint store is empty, the heap flat, and the process ends", () => {
  const script = fileURLToPath(new URL("durable-heap.ts", import.meta.url));
  const child = spawnSync(
    process.execPath,
    ["--expose-gc", "--conditions=@penguiflow/source", "--no-warnings", script],
    { encoding: "utf8", timeout: 100_000, env: { ...process.env, NODE_OPTIONS: "" } },
  );
  expect(child.stderr).toBe("");
  // nothing keeps the process alive once the flow has stopped
  expect(child.status).toBe(0);
  const told = JSON.parse(child.stdout) as { heapMb: number[]; counts: Record<string, number> };
  // every 33rd trace was cancelled
  const completed = 6 * (10_000 - Math.ceil(10_000 / 33));
  expect(told).toMatchObject({
    wrong: 0,
    entries: 0,
    // the remaining timer renews the lease
    left: { traces: 0, timers: 1, unreadResults: 0, fetchers: 0 },
    counts: { left: completed, both: completed, sum: completed },
  });
  const [first, last] = [told.heapMb[0] ?? 0, told.heapMb.at(-1) ?? 0];
  // over four rounds, a leak of one small object per trace would exceed three megabytes
  expect(last - first).toBeLessThan(2);
}, 120_000);
