import { create, type FlowError, type Logger, payloadNode } from "penguiflow";
import { afterEach, expect, test, vi } from "vitest";
import { type Client, cluster, type ClusterOptions, memoryBackend, type Worker } from "../src/index.ts";

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };

const double = payloadNode("double", async (input: number) => input * 2);
const increment = payloadNode("increment", async (input: number) => input + 1);
const numbers = create(double.to(increment), { name: "numbers", logger: SILENT });

const open: AsyncDisposable[] = [];

afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

function app(options: Partial<ClusterOptions> = {}) {
  const backend = memoryBackend();
  open.push(backend);
  const made = cluster({ name: "app", backend, partitions: 4, leaseMs: 300, logger: SILENT, ...options });
  return {
    worker: (name: string): Worker => {
      const worker = made.worker({ name });
      open.push(worker);
      return worker;
    },
    client: (): Client => {
      const client = made.client();
      open.push(client);
      return client;
    },
  };
}

const until = async (isSo: () => boolean): Promise<void> => {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5));
};

test("a call is answered by a worker, whichever has its partition", async () => {
  const { worker, client } = app();
  worker("one").run(numbers);
  worker("two").run(numbers);
  const caller = client();
  const answers = await Promise.all(Array.from({ length: 200 }, (_, index) => caller.call(numbers, index)));
  expect(answers).toEqual(Array.from({ length: 200 }, (_, index) => index * 2 + 1));
});

test("partitions are shared, and those of a worker that drains are taken over", async () => {
  const { worker, client } = app({ partitions: 8 });
  const one = worker("one").run(numbers);
  await until(() => one.held.length === 8);
  const two = worker("two").run(numbers);
  await until(() => one.held.length === 4 && two.held.length === 4);
  await one.drain();
  await until(() => two.held.length === 8);
  expect(await client().call(numbers, 20)).toBe(41);
});

test("an id is accepted once: a second call is told the first outcome, another input is refused", async () => {
  let runs = 0;
  const count = create(payloadNode("count", async (input: string) => `${input} ${++runs}`).to(), {
    name: "count",
    logger: SILENT,
  });
  const { worker, client } = app();
  worker("one").run(count);
  const caller = client();
  const first = await caller.call(count, "run", { id: "order-1" });
  expect(await client().call(count, "run", { id: "order-1" })).toBe(first);
  const refused = await caller.call(count, "walk", { id: "order-1" }).catch((error: unknown) => error);
  expect((refused as FlowError).code).toBe("ID_CONFLICT");
  expect(runs).toBe(1);
});

test("a message whose id is looked up slowly is not lost to a later one of its lane", async () => {
  const backend = memoryBackend();
  const { results } = backend;
  const { promise: second, resolve: secondIsTaken } = Promise.withResolvers<void>();
  let lookUps = 0;
  const slow: typeof results = {
    put: (all) => results.put(all),
    forget: (keys) => results.forget(keys),
    async get(keys, read) {
      if (keys.some(({ id }) => id === "order-1") && ++lookUps === 1) await second;
      if (keys.some(({ id }) => id === "order-2")) setTimeout(secondIsTaken, 50);
      return await results.get(keys, read);
    },
  };
  open.push(backend);
  const { worker, client } = app({ backend: { ...backend, results: slow }, partitions: 1 });
  const one = worker("one").run(numbers);
  await until(() => one.held.length === 1);
  const caller = client();
  const first = caller.call(numbers, 1, { id: "order-1" });
  await until(() => lookUps > 0);
  expect(await caller.call(numbers, 2, { id: "order-2" })).toBe(5);
  expect(await first).toBe(3);
});

test("a message whose trace ends while its id is looked up is told that outcome, and runs no second time", async () => {
  const backend = memoryBackend();
  const { results } = backend;
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const { promise: stored, resolve: store } = Promise.withResolvers<void>();
  let lookUps = 0;
  const slow: typeof results = {
    async put(all) {
      const answers = await results.put(all);
      store();
      return answers;
    },
    forget: (keys) => results.forget(keys),
    async get(keys, read) {
      const found = await results.get(keys, read);
      // the second look-up has missed the outcome by then
      if (keys.length === 1 && keys[0]!.id === "order-1" && ++lookUps === 2) {
        end();
        await stored;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      return found;
    },
  };
  open.push(backend);
  let runs = 0;
  const waiting = create(
    payloadNode("waits", async (input: string) => {
      runs += 1;
      await ended;
      return input;
    }).to(),
    { name: "waiting", logger: SILENT },
  );
  const { worker, client } = app({ backend: { ...backend, results: slow }, partitions: 1 });
  const one = worker("one").run(waiting);
  await until(() => one.held.length === 1);
  const first = client().call(waiting, "x", { id: "order-1" });
  await until(() => runs === 1);
  await until(() => lookUps === 1);
  expect(await client().call(waiting, "x", { id: "order-1" })).toBe("x");
  expect(await first).toBe("x");
  expect(runs).toBe(1);
});

test("a failure is told with its error", async () => {
  const failing = create(
    payloadNode("fails", async (_: string): Promise<string> => {
      throw new Error("no stock");
    }).to(),
    { name: "failing", logger: SILENT },
  );
  const { worker, client } = app();
  worker("one").run(failing);
  const outcome = await client().outcome(failing, "x");
  expect(outcome.status).toBe("failed");
  expect(outcome.status === "failed" && outcome.error.message).toContain("no stock");
});

test("chunks and the result reach a stream", async () => {
  const telling = create(
    payloadNode("tells", async (payload: string, ctx) => {
      for (const text of ["a", "b", "c"]) await ctx.emitChunk({ text });
      return payload;
    }).to(),
    { name: "telling", logger: SILENT },
  );
  const { worker, client } = app();
  worker("one").run(telling);
  const seen: unknown[] = [];
  for await (const item of client().stream(telling, "done"))
    seen.push(item.type === "chunk" ? item.chunk.text : item.type === "result" ? item.result : item);
  expect(seen.filter((text) => text !== "")).toEqual(["a", "b", "c", "done"]);
});

test("a question asked on one worker is answered on another, after the first was drained", async () => {
  const asking = create(
    payloadNode("asks", async (cents: number, ctx) => {
      const answer = await ctx.pause<string>({ reason: `Pay ${cents}?` });
      return `${cents}: ${answer}`;
    }).to(),
    { name: "asking", logger: SILENT },
  );
  const { worker, client } = app();
  const one = worker("one").run(asking);
  const caller = client();
  const paused = await caller.outcome(asking, 240, { id: "bill" });
  if (paused.status !== "paused") throw new Error(`Expected "paused", got "${paused.status}"`);
  const two = worker("two").run(asking);
  await one.drain();
  await until(() => two.held.length === 4);
  const end = await client().resume(asking, paused.pauses[0]!.token, "yes");
  expect(end.status === "completed" && end.result).toBe("240: yes");
  const used = await caller.resume(asking, paused.pauses[0]!.token, "no").catch((error: unknown) => error);
  expect((used as FlowError).code).toBe("PAUSE_USED");
});

test("a cancel ends a handler on a worker, and one that overtakes its message keeps it from running", async () => {
  let began = 0;
  const waiting = create(
    payloadNode("waits", async (_: string, ctx): Promise<string> => {
      began += 1;
      await ctx.sleep(60_000);
      return "too late";
    }).to(),
    { name: "waiting", logger: SILENT },
  );
  const { worker, client } = app();
  const caller = client();
  const early = caller.outcome(waiting, "x", { id: "early" });
  const cancelled = caller.cancel(waiting, "early", { reason: "changed my mind" });
  worker("one").run(waiting);
  await cancelled;
  expect((await early).status).toBe("cancelled");
  const outcome = caller.outcome(waiting, "x", { id: "late" });
  await until(() => began > 0);
  await caller.cancel(waiting, "late");
  expect((await outcome).status).toBe("cancelled");
});

test("what a failed store refused is offered again, and a full intake is NOT_ACCEPTED", async () => {
  const backend = memoryBackend({ maxItems: 1 });
  open.push(backend);
  const made = cluster({ name: "app", backend, partitions: 1, leaseMs: 300, logger: SILENT });
  const caller = made.client();
  open.push(caller);
  const first = caller.call(numbers, 1);
  const second = await caller.call(numbers, 2).catch((error: unknown) => error);
  expect((second as FlowError).code).toBe("NOT_ACCEPTED");
  const worker = made.worker({ name: "one" }).run(numbers);
  open.push(worker);
  expect(await first).toBe(3);
});

test("an item that is no message is passed over, and holds up no other", async () => {
  const backend = memoryBackend();
  open.push(backend);
  const made = cluster({ name: "app", backend, partitions: 1, leaseMs: 300, logger: SILENT });
  await backend.intake.offer([
    { partition: "app/numbers@1/0", lane: 1, key: "odd", body: new TextEncoder().encode("{") },
    { partition: "app/numbers@1/0", lane: 0, key: "odd command", body: Uint8Array.of(255) },
  ]);
  const caller = made.client();
  const worker = made.worker({ name: "one" }).run(numbers);
  open.push(caller, worker);
  expect(await caller.call(numbers, 1)).toBe(3);
  await vi.waitFor(async () =>
    expect((await backend.intake.backlog(["app/numbers@1/0"])).get("app/numbers@1/0")).toBe(0),
  );
});

test("what an earlier owner has accepted and could not remove from the intake, the next one removes", async () => {
  const backend = memoryBackend();
  open.push(backend);
  const { intake } = backend;
  const deaf: typeof intake = {
    offer: (offers) => intake.offer(offers),
    read: (...args) => intake.read(...args),
    backlog: (partitions) => intake.backlog(partitions),
    trim: async () => {
      throw new Error("the intake is away");
    },
  };
  const options = { name: "app", partitions: 1, leaseMs: 300, logger: SILENT };
  const one = cluster({ ...options, backend: { ...backend, intake: deaf } })
    .worker({ name: "one" })
    .run(numbers);
  const made = cluster({ ...options, backend });
  const caller = made.client();
  open.push(one, caller);
  await caller.call(numbers, 1);
  await one.drain();
  const waiting = async (): Promise<number | undefined> =>
    (await intake.backlog(["app/numbers@1/0"])).get("app/numbers@1/0");
  expect(await waiting()).toBe(1);
  open.push(made.worker({ name: "two" }).run(numbers));
  await vi.waitFor(async () => expect(await waiting()).toBe(0));
});
