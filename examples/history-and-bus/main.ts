// A state store keeps the history of each request; a bus publishes the messages that go over the edges. Neither slows
// or breaks the flow. Both live in memory here; adapters for databases and brokers replace them.
//
//   npm run example examples/history-and-bus/main.ts
import { type BusEnvelope, create, MemoryMessageBus, MemoryStateStore, payloadNode } from "penguiflow";

const LIMIT_CENTS = 50_000;

interface Order {
  readonly item: string;
  readonly cents: number;
}

const check = payloadNode("check", (order: Order) => {
  if (order.cents > LIMIT_CENTS) throw new RangeError(`"${order.item}" costs more than the limit of 500 €`);
  return order;
});

const number = payloadNode("number", ({ item }: Order, ctx) => `${item}: order ${ctx.tenant}/${ctx.traceId}`);

export function createFlow(stateStore: MemoryStateStore, messageBus: MemoryMessageBus) {
  return create(check.to(number), { name: "orders", stateStore, messageBus });
}

export async function main() {
  const bus = new MemoryMessageBus();
  // a subscriber receives one tenant's envelopes; this one sums up its orders
  const envelopes: BusEnvelope[] = [];
  const unsubscribe = bus.subscribe({ tenant: "acme", edge: "check->number" }, (envelope) => envelopes.push(envelope));

  await using flow = createFlow(new MemoryStateStore({ maxTraces: 1_000 }), bus);
  flow.run();
  await flow.outcome({ item: "ice axe", cents: 8_900 }, { traceId: "o-1", tenant: "acme" });
  await flow.outcome({ item: "ship", cents: 90_000_000 }, { traceId: "o-2", tenant: "acme" });
  await flow.outcome({ item: "rope", cents: 4_500 }, { traceId: "o-1", tenant: "other" });
  await flow.flush();
  unsubscribe();

  const histories: Record<string, readonly string[]> = {};
  for (const traceId of ["o-1", "o-2"]) {
    // history is per tenant: another tenant's "o-1" is another request
    const { events } = await flow.loadHistory(traceId, { tenant: "acme" });
    histories[traceId] = events.map(({ node, kind }) => (node === undefined ? kind : `${node} ${kind}`));
    console.log(`${traceId}: ${histories[traceId]?.join(", ")}`);
  }
  const ordered = envelopes.map(({ payload, traceId }) => ({ ...(payload as Order), traceId }));
  for (const { traceId, item, cents } of ordered) console.log(`on the bus: ${traceId} ${item}, ${cents} cents`);
  return { histories, ordered };
}

if (import.meta.main) await main();
