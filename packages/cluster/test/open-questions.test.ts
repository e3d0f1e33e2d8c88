import { create, type Logger, payloadNode } from "penguiflow";
import { afterEach, expect, test } from "vitest";
import { cluster, memoryBackend } from "../src/index.ts";

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };
const open: AsyncDisposable[] = [];

afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

test("open questions keep no other trace out, however small maxInFlight is, also after a takeover", async () => {
  const backend = memoryBackend();
  open.push(backend);
  const bills = create(
    payloadNode("pay", async (cents: number, ctx) =>
      cents > 0 ? await ctx.pause<string>({ reason: `Pay ${cents}?` }) : "nothing to pay",
    ).to(),
    { name: "bills", logger: SILENT },
  );
  const app = cluster({ name: "app", backend, partitions: 1, leaseMs: 2_000, logger: SILENT });
  const begin = (name: string) => {
    const worker = app.worker({ name, maxInFlight: 2, drainMs: 0 }).run(bills);
    open.push(worker);
    return worker;
  };
  const first = begin("one");
  const client = app.client();
  open.push(client);
  const asked = await Promise.all([1, 2, 3, 4, 5].map((cents) => client.outcome(bills, cents)));
  expect(asked.map(({ status }) => status)).toEqual(Array.from({ length: 5 }, () => "paused"));
  expect(await client.call(bills, 0)).toBe("nothing to pay");
  await first.drain();
  begin("two");
  expect(await client.call(bills, 0)).toBe("nothing to pay");
  for (const outcome of asked) {
    if (outcome.status !== "paused") continue;
    const [ticket] = outcome.pauses;
    expect(await client.resume(bills, ticket!.token, "paid")).toMatchObject({ status: "completed", results: ["paid"] });
  }
});
