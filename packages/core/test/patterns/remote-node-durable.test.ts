import {
  create,
  LoopbackTransport,
  MemoryCheckpointStore,
  payloadNode,
  remoteNode,
  type RemoteInterrupt,
} from "penguiflow";
import { durable } from "penguiflow/durable";
import { TestClock } from "penguiflow/testing";
import { expect, test } from "vitest";
import { logbook, recorder, tidy, within } from "../fixtures/watched-flow.ts";

/** Creates an agent that takes a second, and flows that call it and share a checkpoint store. */
function workshop() {
  const clock = new TestClock();
  const work = payloadNode("work", async (value: number, ctx) => {
    await ctx.sleep(1_000);
    if (value < 0) throw new Error("boom");
    return value * 2;
  });
  const agent = tidy(create(work.to(), { clock }).run());
  const transport = new LoopbackTransport({ work: agent });
  const checkpoints = new MemoryCheckpointStore();
  const seen = recorder();
  const make = () =>
    create(remoteNode("ask", { transport, agentUrl: "agent", skill: "work" }).to(), {
      clock,
      durability: durable({ checkpoints }),
      logger: logbook(),
      middlewares: [seen.middleware],
    });
  return { clock, agent, transport, make, seen };
}

test("the task of a durable flow that is stopped continues, and its next run takes the answer", async () => {
  const { clock, agent, make, seen } = workshop();
  const before = make().run();
  const id = await before.emit(21, { tenant: "acme" });
  await clock.advance(500);
  await within(1_000, before.stop());
  expect(agent.stats().traces).toBe(1);
  expect(seen.of("remote_call_cancelled")).toMatchObject([{ wasHeard: false }]);
  const after = make().run();
  await after.ready();
  const result = after.fetch({ traceId: id, tenant: "acme" });
  await clock.advance(500);
  expect((await within(1_000, result)) as unknown).toMatchObject({ payload: 42 });
  expect(agent.stats().outcomes).toMatchObject({ completed: 1, cancelled: 0 });
  await after.stop();
});

test("a trace that failed since its agent did has another task when it is retried", async () => {
  const { clock, agent, make } = workshop();
  const flow = make().run();
  const outcome = flow.outcome(-1, { traceId: "t", tenant: "acme" });
  await clock.advance(1_000);
  expect(await within(1_000, outcome)).toMatchObject({ error: { code: "REMOTE_FAILED" } });
  await flow.recovery.retryFailed("t", { tenant: "acme" });
  await clock.advance(1_000);
  expect(agent.stats().outcomes.failed).toBe(2);
  await flow.stop();
});

test("what an agent asks for can be kept by a durable flow", async () => {
  const clock = new TestClock();
  const transport = {
    send: () => Promise.resolve({ result: "which?", state: "input-required" as const, taskId: "t" }),
    stream: () => {
      throw new Error("not used");
    },
    resubscribe: () => {
      throw new Error("not used");
    },
    cancel: () => Promise.resolve(),
  };
  const ask = remoteNode("ask", { transport, agentUrl: "agent", skill: "work", interrupts: "send" });
  const show = payloadNode("show", (payload: unknown) => payload as RemoteInterrupt);
  const flow = create(ask.to(show), { clock, durability: durable({ checkpoints: new MemoryCheckpointStore() }) }).run();
  expect(await within(1_000, flow.call("x"))).toMatchObject({ kind: "input-required", prompt: "which?", taskId: "t" });
  await flow.stop();
});
