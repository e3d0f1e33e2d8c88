import {
  type CheckpointPartition,
  type Context,
  create,
  type FlowError,
  type Logger,
  MemoryStateStore,
  type MessageBus,
  node,
  payloadNode,
  type Transient,
  transient,
} from "penguiflow";
import type { ClusterBackend } from "penguiflow/adapter";
import { afterEach, expect, test } from "vitest";
import { wrapPartition } from "../../core/src/testing/kit/wrap-partition.ts";
import { type Client, cluster, memoryBackend, type Worker, type WorkerOptions } from "../src/index.ts";

const open: AsyncDisposable[] = [];

afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

const until = async (isSo: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 5));
};

/** Name of the worker, as its handlers know it. */
interface Where {
  readonly worker: string;
}

function begin(change: (backend: ClusterBackend) => Partial<ClusterBackend> = () => ({})) {
  const memory = memoryBackend();
  const backend = { ...memory, ...change(memory) };
  open.push(memory);
  const errors: unknown[] = [];
  const logger: Logger = {
    debug() {},
    info() {},
    warn() {},
    error: (event, facts) => void errors.push([event, facts]),
  };
  const app = cluster({ name: "app", backend, partitions: 4, leaseMs: 300, logger });
  const worker = (name: string, options: WorkerOptions = {}): Worker => {
    const made = app.worker({ name, drainMs: 0, ...options });
    open.push(made);
    return made;
  };
  const client = (): Client => {
    const made = app.client();
    open.push(made);
    return made;
  };
  return { app, errors, logger, worker, client };
}

const GPU = { offers: ["gpu"], placedOnly: true };

/** A flow of which one node is placed. Counts the runs of that node. */
function drawing(logger: Logger) {
  const runs: string[] = [];
  let goOn = Promise.resolve();
  const split = payloadNode("split", async (text: string) => text);
  const draw = payloadNode(
    { name: "draw", placement: "gpu", policy: { maxRetries: 1, backoffBaseMs: 1 } },
    async (text: string, ctx: Context<Where>): Promise<string> => {
      runs.push(ctx.resources.worker);
      await ctx.emitChunk({ text: "drawing" });
      if (text === "fails" || (text === "fails once" && runs.length === 1)) throw new Error("no ink");
      if (text === "asks") return await ctx.pause<string>({ reason: "What?" });
      if (text === "waits") await ctx.sleep(60_000);
      if (text === "spends") ctx.budget.spend({ ink: 2 });
      await goOn;
      return `${text} drawn on ${ctx.resources.worker}`;
    },
  );
  const sign = payloadNode(
    "sign",
    async (picture: string, ctx: Context<Where>) =>
      `${picture}, signed on ${ctx.resources.worker}, ${ctx.budget.left["ink"] ?? "any"} ink left`,
  );
  const flow = create(split.to(draw), draw.to(sign), { name: "pictures", logger });
  const hold = (end: Promise<void>): void => {
    goOn = end;
  };
  return { flow, runs, hold };
}

test("a placed node runs on a worker that offers its placement, and the rest of the trace at home", async () => {
  const { logger, worker, client } = begin();
  const { flow } = drawing(logger);
  worker("home").run(flow, { resources: { worker: "home" } });
  worker("gpu", GPU).run(flow, { resources: { worker: "gpu" } });
  const caller = client();
  const texts = Array.from({ length: 40 }, (_, index) => `text ${index}`);
  expect(await Promise.all(texts.map((text) => caller.call(flow, text)))).toEqual(
    texts.map((text) => `${text} drawn on gpu, signed on home, any ink left`),
  );
});

test("chunks, budget and retries of a placed node count for the trace; its failure is the trace's", async () => {
  const { logger, worker, client } = begin();
  const { flow, runs } = drawing(logger);
  worker("home").run(flow, { resources: { worker: "home" } });
  worker("gpu", GPU).run(flow, { resources: { worker: "gpu" } });
  const caller = client();
  const seen: unknown[] = [];
  const items = caller.stream(flow, "spends", { budget: { ink: 5 } });
  for await (const item of items)
    seen.push(item.type === "chunk" ? item.chunk.text : item.type === "result" && item.result);
  expect(seen.filter((text) => text !== "")).toEqual(["drawing", "spends drawn on gpu, signed on home, 3 ink left"]);
  expect(items.spent).toEqual({ ink: 2 });
  runs.length = 0;
  expect(await caller.call(flow, "fails once")).toContain("fails once drawn on gpu");
  runs.length = 0;
  const failed = await caller.outcome(flow, "fails", { id: "bad" });
  expect(failed.status === "failed" && failed.error.message).toContain("no ink");
  expect(runs).toHaveLength(2);
  // tried again from home, the node runs again
  await caller.retryFailed(flow, "bad");
  await until(() => runs.length === 4);
  const asked = await caller.outcome(flow, "asks");
  expect(asked.status === "failed" && asked.error.message).toContain("waits for no answer");
});

test("observers, instrument, recorder, store and bus of a flow see a placed node at work, as they see it at home", async () => {
  const { worker, client } = begin();
  const seen = new Map<string, Set<string>>();
  const see = (observer: string, flow: string): void =>
    void seen.set(observer, (seen.get(observer) ?? new Set()).add(flow));
  const attempts: unknown[] = [];
  const stateStore = new MemoryStateStore();
  const messageBus: MessageBus = { publish: async (batch) => batch.forEach(({ flow: from }) => see("bus", from)) };
  const recorded: string[] = [];
  const draw = payloadNode(
    { name: "draw", placement: "gpu", policy: { maxRetries: 1, backoffBaseMs: 1 } },
    async (text: string, ctx): Promise<string> => {
      if (ctx.attempt === 1) throw new Error("no ink");
      return `${text} drawn`;
    },
  );
  const flow = create(payloadNode("split", (text: string) => text).to(draw), {
    name: "pictures",
    middlewares: [(event) => see("middleware", event.flow)],
    instrument: (run) => ({
      begin: () => {},
      enter: (_, message) => message,
      handle(attempt, handler) {
        attempts.push([run.flow, attempt.node, attempt.attempt]);
        handler(attempt.message);
      },
      fetched: () => {},
      gather: (group) => group,
      event: () => {},
      stop: () => {},
    }),
    recorder: (record) => {
      if (record.type === "started") recorded.push(`${record.node} ${record.attempt}`);
    },
    stateStore,
    messageBus,
  });
  // one that is added later, too
  flow.addMiddleware((event) => see("added", event.flow));
  worker("home").run(flow);
  worker("gpu", GPU).run(flow);
  expect(await client().call(flow, "hat", { id: "hat" })).toBe("hat drawn");
  const both = new Set(["pictures", "pictures/draw"]);
  await until(() => [...seen.values()].every((flows) => flows.size === 2));
  expect(seen).toEqual(new Map([...seen.keys()].map((observer) => [observer, both])));
  expect([...seen.keys()].toSorted()).toEqual(["added", "bus", "middleware"]);
  expect(attempts).toEqual([
    ["pictures", "split", 1],
    ["pictures", "draw", 1],
    ["pictures/draw", "draw", 1],
    ["pictures/draw", "draw", 2],
  ]);
  expect(recorded).toEqual(["split 1", "draw 1", "draw 1", "draw 2"]);
  const { traces } = await stateStore.listTraces({ tenant: "default" });
  expect(new Set(traces.map((trace) => trace.flow))).toEqual(both);
});

test("a cancel of the trace ends its placed node", async () => {
  const { logger, worker, client } = begin();
  const { flow, runs } = drawing(logger);
  worker("home").run(flow, { resources: { worker: "home" } });
  const gpu = worker("gpu", GPU).run(flow, { resources: { worker: "gpu" } });
  const caller = client();
  const outcome = caller.outcome(flow, "waits", { id: "long" });
  await until(() => runs.length === 1);
  await caller.cancel(flow, "long");
  expect((await outcome).status).toBe("cancelled");
  await until(() => gpu.status().flows.every(({ inFlight }) => inFlight === 0));
});

test("a placed node runs once although the home of its trace changes meanwhile", async () => {
  const { logger, worker, client } = begin();
  const { flow, runs, hold } = drawing(logger);
  const drawn = Promise.withResolvers<void>();
  hold(drawn.promise);
  const one = worker("one").run(flow, { resources: { worker: "one" } });
  worker("gpu", GPU).run(flow, { resources: { worker: "gpu" } });
  const outcome = client().outcome(flow, "hat", { id: "hat" });
  await until(() => runs.length === 1);
  const two = worker("two").run(flow, { resources: { worker: "two" } });
  await one.drain();
  await until(() => two.held.length === 4);
  drawn.resolve();
  const end = await outcome;
  expect(end.status === "completed" && end.result).toBe("hat drawn on gpu, signed on two, any ink left");
  expect(runs).toEqual(["gpu"]);
});

test("a placed node is called once its message is stored at home: after a crash its key is the same", async () => {
  const order: string[] = [];
  const slow = (partition: CheckpointPartition): CheckpointPartition =>
    wrapPartition(partition, {
      async append(batch, expected) {
        for (let turns = 0; turns < 50; turns += 1) await new Promise(setImmediate);
        const sequence = await partition.append(batch, expected);
        if (batch.put.length > 0) order.push("stored");
        return sequence;
      },
    });
  const { logger, worker, client } = begin(({ checkpoints, intake }) => ({
    checkpoints: {
      share: (request) => checkpoints.share(request),
      open: async (lease) => {
        const opened = await checkpoints.open(lease);
        return lease.partition.includes("/draw@") ? opened : slow(opened);
      },
    },
    intake: {
      async offer(offers) {
        if (offers.some(({ partition }) => partition.includes("/draw@"))) order.push("called");
        return await intake.offer(offers);
      },
      read: (...given) => intake.read(...given),
      trim: (...given) => intake.trim(...given),
      backlog: (partitions) => intake.backlog(partitions),
    },
  }));
  const { flow } = drawing(logger);
  worker("all", { offers: ["gpu"] }).run(flow, { resources: { worker: "all" } });
  expect(await client().call(flow, "hat")).toContain("hat drawn on all");
  expect(order[0]).toBe("stored");
});

test("a worker drains although results that its calls were told cannot be removed", async () => {
  let isDown = false;
  const { logger, worker, client } = begin(({ results }) => ({
    results: {
      put: (all) => results.put(all),
      get: (...given) => results.get(...given),
      async forget(kept) {
        if (isDown && kept.some(({ key }) => key.id.startsWith("inbox-"))) throw new Error("The results are away");
        await results.forget(kept);
      },
    },
  }));
  const { flow } = drawing(logger);
  const home = worker("home").run(flow, { resources: { worker: "home" } });
  worker("gpu", GPU).run(flow, { resources: { worker: "gpu" } });
  // its home discards the outcome of the node, and is told that it is done
  isDown = true;
  await client()
    .call(flow, "fails")
    .catch(() => {});
  expect(await home.drain()).toEqual({ partitions: 4 });
  isDown = false;
});

test("without a worker that offers the placement, traces wait, and that is told; one that comes runs them", async () => {
  const { app, errors, logger, worker, client } = begin();
  const { flow } = drawing(logger);
  worker("home").run(flow, { resources: { worker: "home" } });
  const answer = client().call(flow, "hat");
  await until(async () =>
    (await app.status()).problems.some(({ what }) => what.startsWith("pictures/draw@1 has work")),
  );
  await until(() => errors.length > 0);
  expect(errors[0]).toEqual([
    "placement_missing",
    { member: "home", node: "pictures/draw", version: "1", placement: "gpu" },
  ]);
  worker("gpu", GPU).run(flow, { resources: { worker: "gpu" } });
  expect(await answer).toBe("hat drawn on gpu, signed on home, any ink left");
});

test("a worker that offers a placement may run whole flows, too; a flow of one process ignores placements", async () => {
  const { logger, worker, client } = begin();
  const { flow } = drawing(logger);
  worker("all", { offers: ["gpu"] }).run(flow, { resources: { worker: "all" } });
  expect(await client().call(flow, "hat")).toBe("hat drawn on all, signed on all, any ink left");
  await using local = flow.start({ resources: { worker: "here" } });
  expect(await local.call("hat")).toBe("hat drawn on here, signed on here, any ink left");
});

test("what cannot be placed is refused with a reason", async () => {
  const { worker } = begin();
  const loop = node({ name: "loop", placement: "gpu", allowCycle: true }, (message) => message);
  const looping = create(loop.to(loop), { name: "looping" });
  expect(() => worker("home").run(looping)).toThrow('node "loop" has a placement and an edge to itself');
  const plain = create(payloadNode("plain", (text: string) => text).to(), { name: "plain" });
  expect(() => worker("gpu", GPU).run(plain)).toThrow("it offers none of its");
  expect(() => worker("odd", { placedOnly: true })).toThrow('"offers"');
  expect(() => payloadNode({ name: "odd", placement: " " }, (text: string) => text)).toThrow('"placement"');
  const unknown = (): FlowError =>
    plain.start({ nodes: [payloadNode("other", (text: string) => text)] } as never) as never;
  expect(unknown).toThrow("has no node of that name");
});

test("the principal of a call reaches its handlers, those on another worker too, and is part of its id", async () => {
  const { logger, worker, client } = begin();
  const home = payloadNode("home", (text: string, ctx) => `${text}, ${String(ctx.principal?.user)} at home`);
  const away = payloadNode(
    { name: "away", placement: "gpu" },
    (text: string, ctx) => `${text}, ${String(ctx.principal?.user)} away`,
  );
  const flow = create(home.to(away), { name: "personal", logger });
  worker("home").run(flow);
  worker("gpu", GPU).run(flow);
  const caller = client();
  expect(await caller.call(flow, "hat", { id: "hat", principal: { user: "ann", scopes: [] } })).toBe(
    "hat, ann at home, ann away",
  );
  const other = await caller
    .call(flow, "hat", { id: "hat", principal: { user: "ben", scopes: [] } })
    .catch((error: unknown) => error);
  expect(other).toHaveProperty("code", "ID_CONFLICT");
});

test("a call with a transient value is refused: it would never arrive", async () => {
  const { logger, worker, client } = begin();
  const flow = create(payloadNode("read", (note: { text: Transient<string> }) => note.text.value).to(), {
    name: "notes",
    logger,
  });
  worker("home").run(flow);
  const refused = await client()
    .call(flow, { text: transient("secret") })
    .catch((error: unknown) => error);
  expect(refused).toMatchObject({
    code: "NOT_SERIALISABLE",
    message: "Cannot send payload.text: it is transient and stays in its process; send a reference",
  });
});
