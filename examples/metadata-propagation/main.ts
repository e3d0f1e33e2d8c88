// Data that belongs to a request but not to its payload travels as meta: through every node, retry and playbook. Here
// the region decides the tax and the locale the spelling, and each stage records its work.
//
//   npm run example examples/metadata-propagation/main.ts
import { create, type Message, node } from "penguiflow";

interface Bill {
  readonly cents: number;
  readonly taxCents: number;
}

const TAX_PERCENT: Readonly<Record<string, number>> = { DE: 19, DK: 25, US: 0 };

/** Adds a line to a copy of the message. Messages are immutable, so branches never see each other's changes. */
function note<Payload>(message: Message<Payload>, line: string): Message<Payload> {
  const notes = (message.meta["notes"] as readonly string[] | undefined) ?? [];
  return message.with({ meta: { ...message.meta, notes: [...notes, line] } });
}

const add = node("add", (message: Message<readonly number[]>) => {
  const cents = message.payload.reduce((sum, price) => sum + price, 0);
  return note(message, `${message.payload.length} prices`).with({ payload: cents });
});

// fails once for each message: the retry receives the same message as the first attempt
const tax = node(
  { name: "tax", policy: { maxRetries: 1, backoffBaseMs: 1 } },
  (message: Message<number>, ctx): Message<Bill> => {
    if (ctx.attempt === 1) throw new Error("The tax office is busy");
    const region = String(message.meta["region"]);
    const percent = TAX_PERCENT[region];
    if (percent === undefined)
      throw new RangeError(`Cannot tax in "${region}": expected one of ${Object.keys(TAX_PERCENT).join(", ")}`);
    const bill: Bill = { cents: message.payload, taxCents: Math.round((message.payload * percent) / 100) };
    return note(message, `${percent} % at attempt ${ctx.attempt}`).with({ payload: bill });
  },
);

// a playbook receives the meta too; this one reads it and returns a payload
const spell = node("spell", ({ payload, meta }: Message<Bill>) => {
  const { locale, currency } = meta as { locale: string; currency: string };
  const format = new Intl.NumberFormat(locale, { style: "currency", currency });
  return `${format.format((payload.cents + payload.taxCents) / 100)}, of which tax ${format.format(payload.taxCents / 100)}`;
});
const spelling = create(spell.to(), { name: "spelling" });

// a bare payload keeps its envelope
const print = node("print", (message: Message<Bill>, ctx) => ctx.callPlaybook(spelling, message));

export function createFlow() {
  return create(add.to(tax), tax.to(print), { name: "metadata-propagation" });
}

export async function main() {
  await using flow = createFlow();
  flow.run();

  const customers = {
    hamburg: { region: "DE", locale: "de-DE", currency: "EUR" },
    aarhus: { region: "DK", locale: "da-DK", currency: "DKK" },
    boston: { region: "US", locale: "en-US", currency: "USD" },
  };
  const bills: Record<string, { readonly text: string; readonly meta: Readonly<Record<string, unknown>> }> = {};
  for (const [tenant, meta] of Object.entries(customers)) {
    const outcome = await flow.outcome([129_900, 4_950], { tenant, meta });
    const [message] = outcome.messages;
    if (message === undefined) throw new Error(`No bill for "${tenant}": the outcome is "${outcome.status}"`);
    bills[tenant] = { text: message.payload, meta: message.meta };
    console.log(`${tenant.padEnd(8)} ${message.payload}  ${JSON.stringify(message.meta)}`);
  }
  return bills;
}

if (import.meta.main) await main();
