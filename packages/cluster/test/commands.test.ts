import { create, type FlowError, type Logger, payloadNode, type Schema, systemClock } from "penguiflow";
import type { ClusterBackend, Intake, Offer, ResultRevision } from "penguiflow/adapter";
import { afterEach, describe, expect, test, vi } from "vitest";
import { clusterOn } from "../src/cluster.ts";
import type { CallCommand, Note } from "../src/form/command.ts";
import { type Machine, thisMachine } from "../src/form/machine.ts";
import { readMessage, toBytes } from "../src/form/text.ts";
import { memoryBackend } from "../src/index.ts";

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** A machine on which no wait takes longer than a few milliseconds. */
const HASTY: Machine = {
  ...thisMachine,
  clock: { ...systemClock, setTimer: (callback, ms) => systemClock.setTimer(callback, Math.min(ms, 20)) },
};

const open: AsyncDisposable[] = [];

afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

/** A worker and a client of one partition, and the backend as they reach it. */
function app(change: (backend: ClusterBackend) => Partial<ClusterBackend> = () => ({}), machine = thisMachine) {
  const real = memoryBackend();
  const backend = { ...real, ...change(real) };
  const made = clusterOn(machine, { name: "app", backend, partitions: 1, leaseMs: 10_000, logger: SILENT });
  const worker = made.worker({ name: "one" });
  const client = made.client();
  open.push(real, worker, client);
  return { backend: real, worker, client };
}

const codeOf = async (call: Promise<unknown>): Promise<string> =>
  await call.then(
    () => "none",
    (error: unknown) => (error as FlowError).code,
  );

/** A wire that loses the notes of some kinds. */
const losing =
  (...kinds: readonly Note["kind"][]) =>
  ({ wire }: ClusterBackend): Partial<ClusterBackend> => ({
    wire: {
      publish(subject, body) {
        if (!kinds.includes(readMessage<Note>(body)?.kind as Note["kind"])) wire.publish(subject, body);
      },
      subscribe: (subject, receive) => wire.subscribe(subject, receive),
    },
  });

/** Cuts a worker off from its backend. */
function cutBy(link: { readonly isCut: boolean }, backend: ClusterBackend): ClusterBackend {
  const reached = <Port extends object>(port: Port): Port =>
    new Proxy(port, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== "function") return value;
        return (...args: readonly unknown[]): unknown => {
          if (link.isCut) return Promise.reject(new Error("cut off"));
          const answer = (value as (...given: readonly unknown[]) => unknown).apply(target, [...args]);
          return answer instanceof Promise
            ? answer.then((opened: unknown) =>
                typeof opened === "object" && opened !== null && "renew" in opened ? reached(opened) : opened,
              )
            : answer;
        };
      },
    });
  const { checkpoints, intake, results, registry } = backend;
  return {
    ...backend,
    checkpoints: reached(checkpoints),
    intake: reached(intake),
    results: reached(results),
    registry: reached(registry),
  };
}

/** A flow that asks. @param check - called before an answer is checked */
function asking(check?: () => Promise<void>) {
  const resumeSchema: Schema<string> = {
    "~standard": {
      version: 1,
      vendor: "test",
      validate: async (value) => {
        await check!();
        return typeof value === "string" ? { value } : { issues: [{ message: "It is no text" }] };
      },
    },
  };
  const asks = payloadNode("asks", async (cents: number, ctx) => {
    const answer = await ctx.pause({ reason: "Pay?", ...(check && { resumeSchema }) });
    return `${cents}: ${answer}`;
  });
  return create(asks.to(), { name: "asking", logger: SILENT });
}

/** A flow of one node that counts its calls. */
function counting() {
  const runs: string[] = [];
  const count = payloadNode("count", async (input: string) => {
    runs.push(input);
    return `${input} ${runs.length}`;
  });
  return { runs, flow: create(count.to(), { name: "counting", logger: SILENT }) };
}

describe("a command", () => {
  test("whose answer the wire has lost is answered from the result store, done or refused", async () => {
    const { worker, client } = app(losing("done", "undone"), HASTY);
    const flow = asking();
    worker.run(flow);
    const paused = await client.outcome(flow, 240, { id: "bill" });
    if (paused.status !== "paused") throw new Error(`Expected "paused", got "${paused.status}"`);
    const end = await client.resume(flow, paused.pauses[0]!.token, "yes");
    expect(end.status === "completed" && end.result).toBe("240: yes");
    expect(await codeOf(client.resume(flow, paused.pauses[0]!.token, "no"))).toBe("PAUSE_USED");
    await client.cancel(flow, "bill");
  });

  test("that answers a pause with what does not fit is refused, although the wire loses that", async () => {
    const { worker, client } = app(losing("done", "undone"), HASTY);
    const flow = asking(async () => {});
    worker.run(flow);
    const paused = await client.outcome(flow, 240, { id: "bill" });
    if (paused.status !== "paused") throw new Error(`Expected "paused", got "${paused.status}"`);
    const [pause] = paused.pauses;
    for (const unfit of [7, null]) {
      const refused = await client.resume(flow, pause!.token, unfit).catch((error: unknown) => error as FlowError);
      expect(refused).toMatchObject({ code: "RESUME_INVALID", details: { issues: [{ message: "It is no text" }] } });
    }
    const end = await client.resume(flow, pause!.token, "yes");
    expect(end.status === "completed" && end.result).toBe("240: yes");
  });

  test("that answers a pause with what does not fit is refused by the worker that has taken over", async () => {
    const real = memoryBackend();
    open.push(real);
    const link = { isCut: false };
    const checked: string[] = [];
    const begin = (name: string, backend: ClusterBackend) => {
      const options = { name: "app", backend, partitions: 1, leaseMs: 200, logger: SILENT };
      const worker = clusterOn(thisMachine, options).worker({ name, drainMs: 0 });
      open.push(worker);
      // the check of the first worker never ends
      const check = async (): Promise<void> => {
        checked.push(name);
        if (name === "one") await new Promise<never>(() => {});
      };
      const flow = asking(check);
      worker.run(flow);
      return flow;
    };
    const flow = begin("one", cutBy(link, real));
    const client = clusterOn(thisMachine, { name: "app", backend: real, partitions: 1, logger: SILENT }).client();
    open.push(client);
    const paused = await client.outcome(flow, 240, { id: "bill" });
    if (paused.status !== "paused") throw new Error(`Expected "paused", got "${paused.status}"`);
    const [pause] = paused.pauses;
    const refused = codeOf(client.resume(flow, pause!.token, 7));
    await vi.waitFor(() => expect(checked).toEqual(["one"]));
    link.isCut = true;
    begin("two", real);
    expect(await refused).toBe("RESUME_INVALID");
    expect(checked).toEqual(["one", "two"]);
    const end = await client.resume(flow, pause!.token, "yes");
    expect(end.status === "completed" && end.result).toBe("240: yes");
  });

  test("that answers a pause while the handler considers another answer is refused, whatever the handler decides", async () => {
    const { promise: considered, resolve: decide } = Promise.withResolvers<void>();
    const { promise: reopened, resolve: reopen } = Promise.withResolvers<void>();
    let isSecond = false;
    let looks = 0;
    const { worker, client } = app(({ results }) => ({
      results: {
        put: async (all) => {
          const revisions = await results.put(all);
          if (isSecond && all.some(({ isFinal }) => !isFinal)) reopen();
          return revisions;
        },
        get: async (keys, freshness) => {
          const found = await results.get(keys, freshness);
          // the owner's last look at the claim before it answers
          if (isSecond && keys.some(({ id }) => id.startsWith("pause_")) && ++looks === 3) {
            decide();
            await reopened;
          }
          return found;
        },
        forget: (all) => results.forget(all),
      },
    }));
    const flow = asking(() => considered);
    worker.run(flow);
    const paused = await client.outcome(flow, 240, { id: "bill" });
    if (paused.status !== "paused") throw new Error(`Expected "paused", got "${paused.status}"`);
    const [pause] = paused.pauses;
    const first = codeOf(client.resume(flow, pause!.token, 7));
    await client.signal(flow, "bill", "behind the first", null);
    isSecond = true;
    expect(await codeOf(client.resume(flow, pause!.token, "yes"))).toBe("PAUSE_USED");
    expect(await first).toBe("RESUME_INVALID");
    const end = await client.resume(flow, pause!.token, "yes");
    expect(end.status === "completed" && end.result).toBe("240: yes");
  });

  test("that is refused before the answer to its offer comes is refused, and ends no process", async () => {
    const late = ({ intake }: ClusterBackend): { intake: Intake } => ({
      intake: {
        offer: async (offers) => {
          const answers = await intake.offer(offers);
          await vi.waitFor(() => expect(refused).toBe(true));
          return answers;
        },
        read: (...given) => intake.read(...given),
        trim: (...given) => intake.trim(...given),
        backlog: (partitions) => intake.backlog(partitions),
      },
    });
    let refused = false;
    const { worker, client, backend } = app(late);
    const flow = asking();
    worker.run(flow);
    const subscribing = vi.spyOn(backend.wire, "publish");
    subscribing.mockImplementation(function (this: ClusterBackend["wire"], subject, body) {
      if (readMessage<Note>(body)?.kind === "undone") setImmediate(() => (refused = true));
      subscribing.mockRestore();
      this.publish(subject, body);
    });
    expect(await codeOf(client.retryFailed(flow, "unknown"))).toBe("TRACE_UNKNOWN");
  });

  test("that answers a pause is refused as the second, although the first has ended the trace by then", async () => {
    const { worker, client } = app();
    const flow = asking();
    worker.run(flow);
    const paused = await client.outcome(flow, 1, { id: "bill" });
    if (paused.status !== "paused") throw new Error(`Expected "paused", got "${paused.status}"`);
    const [pause] = paused.pauses;
    const answers = ["a", "b", "c"].map((value) => client.resume(flow, pause!.token, value));
    const codes = await Promise.all(answers.map(codeOf));
    expect(codes.toSorted()).toEqual(["PAUSE_USED", "PAUSE_USED", "none"]);
    const end = await answers[codes.indexOf("none")]!;
    expect(end.status === "completed" && end.result).toBe(`1: ${"abc"[codes.indexOf("none")]}`);
  });

  test("to cancel what has ended leaves its outcome, and its callers are told that one", async () => {
    const { worker, client } = app();
    const { flow } = counting();
    worker.run(flow);
    const first = await client.call(flow, "run", { id: "order-1" });
    await client.cancel(flow, "order-1");
    expect(await client.call(flow, "run", { id: "order-1" })).toBe(first);
  });

  test.for(["retryFailed", "discard"] as const)(
    "%s removes the result that it has found: a removal that comes again later leaves the next one",
    async (command) => {
      const removals: (readonly ResultRevision[])[] = [];
      const noted = ({ results }: ClusterBackend): Partial<ClusterBackend> => ({
        results: {
          put: (all) => results.put(all),
          get: (...given) => results.get(...given),
          async forget(kept) {
            removals.push(kept);
            await results.forget(kept);
          },
        },
      });
      const { worker, client, backend } = app(noted);
      const fails = payloadNode("fails", (_: string): string => {
        throw new Error("The card is refused");
      });
      const flow = create(fails.to(), { name: "failing", logger: SILENT });
      worker.run(flow);
      expect((await client.outcome(flow, "x", { id: "order-1" })).status).toBe("failed");
      await client[command](flow, "order-1");
      if (command === "discard") await client.outcome(flow, "x", { id: "order-1" });
      const key = { partition: "app/failing@1/0", tenant: "default", id: "order-1" };
      const kept = async () => (await backend.results.get([key], "latest"))[0];
      await vi.waitFor(async () => expect(await kept()).toBeDefined());
      const ofOrder = removals.flat().filter((removal) => removal.key.id === "order-1");
      expect(ofOrder).toHaveLength(1);
      await backend.results.forget(ofOrder);
      expect((await kept())?.revision).toBeGreaterThan(ofOrder[0]!.revision);
    },
  );
});

describe("a call", () => {
  /** An intake that answers only every second offer, although it stores each and the owner takes it at once. */
  const mumbling = ({ intake }: ClusterBackend): { intake: Intake } => {
    let offers = 0;
    return {
      intake: {
        async offer(all) {
          const answers = await intake.offer(all);
          offers += 1;
          if (offers % 2 === 0) return answers;
          await vi.waitFor(async () =>
            expect((await intake.backlog(["app/counting@1/0"])).get("app/counting@1/0")).toBe(0),
          );
          throw new Error("The intake has not answered");
        },
        read: (...given) => intake.read(...given),
        trim: (...given) => intake.trim(...given),
        backlog: (partitions) => intake.backlog(partitions),
      },
    };
  };

  test("whose offer was stored without an answer runs once, with an id of its caller or of its client", async () => {
    const { worker, client } = app(mumbling);
    const { flow, runs } = counting();
    worker.run(flow);
    expect(await client.call(flow, "generated")).toBe("generated 1");
    expect(await client.call(flow, "given", { id: "order-1" })).toBe("given 2");
    expect(await client.call(flow, "again", { id: "order-2" })).toBe("again 3");
    await client[Symbol.asyncDispose]();
    await worker.drain();
    expect(runs).toEqual(["generated", "given", "again"]);
  });

  test("whose offers are never answered has an unknown outcome: it may have been stored", async () => {
    const mute = ({ intake }: ClusterBackend): { intake: Intake } => ({
      intake: {
        offer: async () => {
          throw new Error("The intake has not answered");
        },
        read: (...given) => intake.read(...given),
        trim: (...given) => intake.trim(...given),
        backlog: (partitions) => intake.backlog(partitions),
      },
    });
    const { client } = app(mute, HASTY);
    expect(await codeOf(client.call(counting().flow, "run", { id: "order-1" }))).toBe("OUTCOME_UNKNOWN");
  });

  test("of an id with another input is refused, and the first of its client is answered", async () => {
    const { client, worker } = app();
    const { flow } = counting();
    const first = client.call(flow, "run", { id: "order-1" });
    const second = codeOf(client.call(flow, "walk", { id: "order-1" }));
    worker.run(flow);
    expect(await first).toBe("run 1");
    expect(await second).toBe("ID_CONFLICT");
  });

  test("that is refused is told so, although the wire loses that, and its refusal is removed", async () => {
    const forgotten: string[] = [];
    const lossy = (backend: ClusterBackend): Partial<ClusterBackend> => ({
      ...losing("refused")(backend),
      results: {
        put: (all) => backend.results.put(all),
        get: (...given) => backend.results.get(...given),
        async forget(kept) {
          forgotten.push(...kept.map(({ key }) => key.id));
          await backend.results.forget(kept);
        },
      },
    });
    const { client, worker } = app(lossy, HASTY);
    worker.run(counting().flow);
    const nowhere = { to: "nowhere" };
    const calls = [
      client.call(counting().flow, "run", nowhere),
      client.call(counting().flow, "run", { ...nowhere, id: "a" }),
    ];
    for (const call of calls) await expect(call).rejects.toThrow("nowhere");
    await vi.waitFor(() => expect(forgotten.filter((id) => id.endsWith(".refused"))).toHaveLength(2));
  });

  test("of an id with another input is never told the outcome of the first, while no owner reads it either", async () => {
    const { client, worker } = app(undefined, HASTY);
    const { flow } = counting();
    worker.run(flow);
    expect(await client.call(flow, "run", { id: "order-1" })).toBe("run 1");
    await worker.drain();
    expect(await codeOf(client.call(flow, "walk", { id: "order-1" }))).toBe("ID_CONFLICT");
  });

  test("that was refused is refused again where its offer comes twice, to another owner", async () => {
    const bodies: Offer[] = [];
    const noting = ({ intake }: ClusterBackend): Partial<ClusterBackend> => ({
      intake: {
        async offer(offers) {
          bodies.push(...offers);
          return await intake.offer(offers);
        },
        read: (...given) => intake.read(...given),
        trim: (...given) => intake.trim(...given),
        backlog: (partitions) => intake.backlog(partitions),
      },
    });
    const { backend, client, worker } = app(noting);
    const { flow } = counting();
    worker.run(flow);
    await expect(client.call(flow, "run", { id: "a", to: "nowhere" })).rejects.toThrow("nowhere");
    await worker.drain();
    const [offer] = bodies;
    const command = readMessage<CallCommand>(offer!.body)!;
    const body = toBytes({ ...command, isRepeated: true, options: {} });
    await backend.intake.offer([{ ...offer!, key: "again", body }]);
    const next = clusterOn(thisMachine, { name: "app", backend, partitions: 1, logger: SILENT }).worker({
      name: "two",
    });
    open.push(next);
    const runs: string[] = [];
    next.run(
      create(payloadNode("count", async (text: string) => void runs.push(text)).to(), {
        name: flow.name,
        logger: SILENT,
      }),
    );
    const backlog = async (): Promise<readonly number[]> => [
      ...(await backend.intake.backlog([offer!.partition])).values(),
    ];
    await vi.waitFor(async () => expect(await backlog()).toEqual([0]), { timeout: 60_000 });
    await next.drain();
    expect(runs).toEqual([]);
  });

  test("whose trace pauses is told so, although the store of its pause fails at first", async () => {
    let failures = 0;
    const failing = ({ results }: ClusterBackend): Partial<ClusterBackend> => ({
      results: {
        async put(all) {
          if (all.some(({ isFinal }) => !isFinal) && failures++ === 0) throw new Error("The results are away");
          return await results.put(all);
        },
        get: (...given) => results.get(...given),
        forget: (keys) => results.forget(keys),
      },
    });
    const { worker, client } = app(failing);
    const flow = asking();
    worker.run(flow);
    expect((await client.outcome(flow, 1, { id: "bill" })).status).toBe("paused");
    expect(failures).toBe(2);
  });

  test("of an id whose trace ends while its result is looked up is told that result, and begins no other", async () => {
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    let isHeld = false;
    let lookUps = 0;
    const slow = ({ results }: ClusterBackend): Partial<ClusterBackend> => ({
      results: {
        put: (all) => results.put(all),
        async get(keys, read) {
          const found = await results.get(keys, read);
          lookUps += 1;
          if (isHeld) await held;
          return found;
        },
        forget: (keys) => results.forget(keys),
      },
    });
    const { worker, client } = app(slow);
    let runs = 0;
    let end = (): void => {};
    const waits = payloadNode("waits", async (_: string) => {
      runs += 1;
      await new Promise<void>((resolve) => (end = resolve));
      return `run ${runs}`;
    });
    const flow = create(waits.to(), { name: "waiting", logger: SILENT });
    worker.run(flow);
    const first = client.call(flow, "x", { id: "order-1" });
    await vi.waitFor(() => expect(runs).toBe(1));
    [isHeld, lookUps] = [true, 0];
    const second = client.call(flow, "x", { id: "order-1" });
    await vi.waitFor(() => expect(lookUps).toBe(1));
    end();
    expect(await first).toBe("run 1");
    release();
    expect(await second).toBe("run 1");
    await worker.drain();
    expect(runs).toBe(1);
  });
});
