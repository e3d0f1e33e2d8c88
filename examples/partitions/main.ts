// One flow, two partitions, each with its intake. The run of one partition crashes in the middle of its work; another
// run takes the partition over. Each order is accepted once, and each outcome is delivered.
//
//   npm run example examples/partitions/main.ts
import { setTimeout as sleep } from "node:timers/promises";
import {
  type CheckpointBatch,
  type CheckpointStore,
  create,
  type FinalOutcome,
  FlowError,
  type FlowRun,
  type Logger,
  MemoryCheckpointStore,
  payloadNode,
} from "penguiflow";
import { durable } from "penguiflow/durable";

interface Order {
  readonly id: string;
  readonly item: string;
}

const pack = payloadNode({ name: "pack", policy: { concurrency: 1 } }, async (order: Order, ctx): Promise<string> => {
  await ctx.sleep(5);
  return `a box with ${order.item}`;
});
const ship = payloadNode("ship", (box: string): string => `${box}, shipped`);
const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };
const flow = create(pack.to(ship), { name: "orders", queueMaxSize: 1, logger: SILENT });

/** State that outlasts a process: the checkpoints, the intake of each partition, and the results. */
class World {
  readonly checkpoints = new MemoryCheckpointStore();
  readonly intake: Readonly<Record<string, readonly Order[]>> = {
    "orders-0": ["a tent", "an ice axe", "a rope"].map((item, index) => ({ id: `x-${index + 1}`, item })),
    "orders-1": ["a stove", "a sledge"].map((item, index) => ({ id: `y-${index + 1}`, item })),
  };
  /** The first outcome of each order: a delivery may be repeated. */
  readonly results = new Map<string, FinalOutcome>();
}

/** Runs two partitions, one of which changes hands. Returns the positions read on from, and the outcomes. */
export async function main() {
  const world = new World();
  const readOn: string[] = [];
  const work = async (partition: string, run: FlowRun<Order, string>): Promise<void> => {
    const after = await takeOrders(world.intake[partition] ?? [], run);
    console.log(`${partition}: reads on after ${after} orders`);
    readOn.push(`${partition} ${after}`);
  };

  const steady = await opened("orders-1", world, world.checkpoints);
  const doomed = await opened("orders-0", world, endingAfter(1, world.checkpoints));
  await work("orders-1", steady);
  await work("orders-0", doomed).catch(() => {});
  const error = await doomed.closed;
  console.log(`orders-0: its run has ended: ${error instanceof FlowError ? error.code : "stopped"}`);

  const next = await opened("orders-0", world, world.checkpoints);
  await work("orders-0", next);
  // hand over in order: what was accepted finishes, and its outcomes are delivered
  await Promise.all([next, steady].map((run) => run.stop({ drainMs: 10_000 })));
  const ends = [...world.results.values()]
    .toSorted((one, other) => (one.traceId < other.traceId ? -1 : 1))
    .map(({ traceId, results: [end] }) => [traceId, end] as const);
  for (const [id, end] of ends) console.log(`${id}: ${String(end)}`);
  return { readOn, ends: Object.fromEntries(ends) };
}

/** Accepts what the intake has behind the stored position. Returns the number of orders before it. */
async function takeOrders(orders: readonly Order[], run: FlowRun<Order, string>): Promise<number> {
  const consumed = (await run.intake.consumed()).get(0) ?? -1;
  const left = [...orders.entries()].filter(([sequence]) => sequence > consumed);
  await Promise.all(
    left.map(([sequence, order]) => run.intake.accept(order, { id: order.id, consumed: { lane: 0, sequence } })),
  );
  return consumed + 1;
}

/** Starts the run of a partition, as soon as no other has its lease. */
async function opened(partition: string, { results }: World, checkpoints: CheckpointStore) {
  for (;;) {
    const run = flow.start({
      durability: durable({ checkpoints, partition, leaseMs: 100 }),
      outbox: {
        async deliver(outcome) {
          if (!results.has(outcome.traceId)) results.set(outcome.traceId, outcome);
        },
      },
    });
    try {
      await run.ready();
      return run;
    } catch (error) {
      if (!(error instanceof FlowError) || error.code !== "PARTITION_LEASED") throw error;
      await sleep(20);
    }
  }
}

/** A store that is cut off after so many batches, as by the end of the process: even the lease is not returned. */
function endingAfter(batches: number, checkpoints: CheckpointStore): CheckpointStore {
  let left = batches;
  return {
    async open(lease) {
      const partition = await checkpoints.open(lease);
      const append = partition.append.bind(partition);
      return Object.assign(partition, {
        close: async () => {},
        async append(batch: CheckpointBatch, sequence: number) {
          left -= 1;
          if (left < 0) throw new Error("the power is gone");
          return await append(batch, sequence);
        },
      });
    },
  };
}

if (import.meta.main) await main();
