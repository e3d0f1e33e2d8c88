import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { create, payloadNode } from "penguiflow";
import { running } from "../fixtures/quiet-flow.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as (options?: { readonly type: "minor" }) => void;

const CALLS = 3_000;

/** Measures the bytes that collections of young objects leave of each call. */
async function bytesLeft(call: () => Promise<unknown>): Promise<number> {
  for (let warm = 0; warm < 300; warm += 1) await call();
  collect();
  const before = process.memoryUsage().heapUsed;
  for (let made = 1; made <= CALLS; made += 1) {
    await call();
    if (made % 30 === 0) collect({ type: "minor" });
  }
  return (process.memoryUsage().heapUsed - before) / CALLS;
}

test.each([
  ["a handler that waits", {}, async (text: string) => text],
  ["a timeout", { timeoutMs: 60_000 }, async (text: string) => text],
  [
    "a log, a budget and a signal",
    { timeoutMs: 60_000 },
    async (text: string, ctx: Parameters<Parameters<typeof payloadNode>[1]>[1]) => {
      ctx.budget.reserve({ steps: 1 }).settle({ steps: 1 });
      await ctx.log.append([text]);
      return ctx.signal.aborted ? "" : text;
    },
  ],
] as const)("a trace with %s does not outlive collections of young objects", async (_, policy, handler) => {
  const flow = running(
    create(payloadNode({ name: "wait", policy }, handler as (text: string) => Promise<string>).to()),
  );
  expect(await bytesLeft(() => flow.call("penguins"))).toBeLessThan(400);
});
