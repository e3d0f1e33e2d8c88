// An order is charged twice when the bank's answer is lost and the node is retried. No test that runs once shows it.
// The simulation finds it, names the seed that reproduces it, and finds nothing once it is fixed.
//
//   npm run example examples/simulate-your-flow/main.ts
import assert from "node:assert/strict";
import { type Context, create, type FlowOptions, joinK, payloadNode, shape } from "penguiflow";
import { simulate, SimulationError } from "penguiflow/testing";

interface Bank {
  /** Charges by their key, each with its customer. */
  readonly charges: Map<string, string>;
}

interface Step {
  readonly order: string;
  readonly done: "charged" | "packed";
}

/** Builds a flow that charges and packs an order in parallel and ships it when both are done. */
export function createFlow(options: FlowOptions, hasKeys: boolean) {
  const accept = payloadNode("accept", (order: string) => order);
  const charge = payloadNode(
    { name: "charge", policy: { maxRetries: 3, timeoutMs: 1_000 } },
    async (order: string, ctx: Context<Bank>): Promise<Step> => {
      await ctx.sleep(20);
      const { charges } = ctx.resources;
      charges.set(hasKeys ? ctx.idempotencyKey : `charge ${charges.size}`, order);
      return { order, done: "charged" };
    },
  );
  const pack = payloadNode("pack", (order: string): Step => ({ order, done: "packed" }));
  const gather = joinK("gather", 2, { input: shape<Step>(), timeoutMs: 60_000 });
  const ship = payloadNode("ship", ([first]: Step[]) => `shipped ${first?.order}`);
  return create(accept.to(charge, pack), charge.to(gather), pack.to(gather), gather.to(ship), {
    queueMaxSize: 4,
    ...options,
  });
}

/** Checks that no order is charged twice and that every shipped order was paid for. */
function simulateShop(hasKeys: boolean, seeds: number | readonly number[]) {
  const bank: Bank = { charges: new Map() };
  return simulate({
    flow(ports) {
      bank.charges.clear();
      return createFlow(ports, hasKeys);
    },
    resources: bank,
    input: (_random, index) => `order ${index + 1}`,
    seeds,
    check(requests) {
      const charged = [...bank.charges.values()];
      for (const { input: order, status } of requests) {
        const times = charged.filter((one) => one === order).length;
        assert.ok(times <= 1, `${order} was charged ${times} times`);
        if (status === "completed") assert.equal(times, 1, `${order} was shipped and not charged`);
      }
    },
  });
}

export async function main() {
  const failure = await simulateShop(false, 200).catch((error: unknown) => error);
  assert.ok(failure instanceof SimulationError);
  console.log(`without keys: seed ${failure.seed}: ${failure.broken[0]}`);

  const again = await simulateShop(false, [failure.seed]).catch((error: unknown) => error);
  assert.equal((again as SimulationError).message, failure.message);
  console.log("              the same each time");

  const report = await simulateShop(true, 200);
  console.log(
    `with keys:    ${report.seeds} seeds, ${report.requests} orders, ${report.attempts} attempts: nothing found`,
  );
  const faults = Object.values(report.faults).reduce((sum, number) => sum + number, 0);
  console.log(`              in spite of ${faults} faults of ${Object.keys(report.faults).length} kinds`);
  return { failure, report };
}

if (import.meta.main) await main();
