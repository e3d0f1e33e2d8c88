// Run by heap.test.ts in a process of its own, with --expose-gc: prints the heap after each round.
import { create, joinK, MemoryCheckpointStore, payloadNode, shape } from "penguiflow";
import { durable } from "penguiflow/durable";

const TRACES = 10_000;
const checkpoints = new MemoryCheckpointStore();
const logger = { debug() {}, info() {}, warn() {}, error() {} };

const split = payloadNode("split", (n: number) => n);
const left = payloadNode(
  { name: "left", policy: { maxRetries: 1, backoffBaseMs: 1 } },
  async (n: number, ctx): Promise<number> => {
    if (n % 5 === 0) await ctx.once("effect", () => n);
    if (n % 7 === 0 && ctx.attempt === 1) throw new Error("once");
    if (n % 11 === 0) return n + (await ctx.pause<number>({ reason: "?", expiresAt: Date.now() + 600_000 }));
    return n;
  },
);
const right = payloadNode("right", (n: number) => n);
const both = joinK("both", 2, { input: shape<number>(), timeoutMs: 600_000 });
const sum = payloadNode("sum", ([a, b]: readonly [number, number]) => a + b);
const flow = create(split.to(left, right), left.to(both), right.to(both), both.to(sum), {
  durability: durable({ checkpoints }),
  logger,
});
flow.run();
await flow.ready();

/** Runs all traces at once. Returns the number of those with a wrong sum. */
async function round(): Promise<number> {
  const ends = await Promise.all(
    Array.from({ length: TRACES }, async (_, n) => {
      if (n % 3 === 0) {
        const traceId = await flow.emit(n, { traceId: `trace ${n}` });
        if (n % 11 !== 0) {
          const item = await flow.fetch({ traceId });
          return "payload" in item ? item.payload : -1;
        }
        await flow.cancel(traceId);
        // the outcome is kept until it is fetched
        await flow.fetch({ traceId }).catch(() => undefined);
        return 2 * n;
      }
      const outcome = await flow.outcome(n);
      const resumed =
        outcome.status === "paused" ? await flow.pauses.resume(outcome.pauses[0]?.token ?? "", 0) : outcome;
      return resumed.status === "completed" ? resumed.result : -1;
    }),
  );
  return ends.filter((end, n) => end !== 2 * n).length;
}

const heapMb: number[] = [];
let wrong = await round();
for (let rounds = 0; rounds < 5; rounds += 1) {
  wrong += await round();
  // the last delivered result is released with the batch after it
  await new Promise((resolve) => setTimeout(resolve, 50));
  globalThis.gc?.();
  globalThis.gc?.();
  heapMb.push(process.memoryUsage().heapUsed / 2 ** 20);
}
const { traces, timers, unreadResults, fetchers } = flow.stats();
await flow.stop();
const partition = await checkpoints.open({ partition: "flow", owner: "the test", leaseMs: 1 });
let entries = 0;
for await (const page of partition.read()) entries += page.length;
const counts = Object.fromEntries(await partition.counts());
console.log(JSON.stringify({ heapMb, wrong, entries, counts, left: { traces, timers, unreadResults, fetchers } }));
