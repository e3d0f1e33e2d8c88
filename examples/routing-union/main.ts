// Each kind of expense goes to the node named after it. Forget a kind, and the graph does not compile.
//
//   npm run example examples/routing-union/main.ts
import { create, payloadNode, unionRouter } from "penguiflow";
import { z } from "zod";

const Cents = z.int().nonnegative();
const Trip = z.object({ kind: z.literal("trip"), kilometres: z.number().positive() });
const Meal = z.object({ kind: z.literal("meal"), cents: Cents, persons: z.int().positive() });
const Receipt = z.object({ kind: z.literal("receipt"), what: z.string(), cents: Cents });
const Expense = z.discriminatedUnion("kind", [Trip, Meal, Receipt]);

const CENTS_PER_KILOMETRE = 30;
const MOST_FOR_A_MEAL = 2_500;

const dispatch = unionRouter("dispatch", Expense);

const trip = payloadNode({ name: "trip", input: Trip }, ({ kilometres }) => ({
  cents: Math.round(kilometres * CENTS_PER_KILOMETRE),
  note: `${kilometres} km by car`,
}));

const meal = payloadNode({ name: "meal", input: Meal }, ({ cents, persons }) => {
  const paid = Math.min(cents, persons * MOST_FOR_A_MEAL);
  return { cents: paid, note: paid < cents ? `meal for ${persons}, above the limit` : `meal for ${persons}` };
});

const receipt = payloadNode({ name: "receipt", input: Receipt }, ({ what, cents }) => ({ cents, note: what }));

export function createFlow() {
  return create(dispatch.to(trip, meal, receipt), { name: "routing-union" });
}

const EXPENSES: readonly z.input<typeof Expense>[] = [
  { kind: "trip", kilometres: 184.5 },
  { kind: "meal", cents: 6_140, persons: 2 },
  { kind: "receipt", what: "ice axe", cents: 8_900 },
];

export async function main() {
  await using flow = createFlow();
  flow.run();

  let cents = 0;
  for (const expense of EXPENSES) {
    const refund = await flow.call(expense, { tenant: "acme" });
    console.log(`${euros(refund.cents)}  ${refund.note}`);
    cents += refund.cents;
  }
  console.log(`${euros(cents)}  in all`);

  // the compiler cannot check external input, so the router's schema does
  const unknown = await flow.outcome(JSON.parse(`{ "kind": "yacht", "cents": 90000000 }`) as never);
  if (unknown.status === "failed") console.log(`${unknown.error.code}: ${unknown.error.message}`);
  return { cents, unknown };
}

function euros(cents: number): string {
  return `${(cents / 100).toFixed(2).padStart(7)} €`;
}

if (import.meta.main) await main();
