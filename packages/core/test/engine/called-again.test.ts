import { describe, expect, test } from "vitest";
import {
  create,
  type FlowError,
  type CheckpointStore,
  MemoryCheckpointStore,
  type Message,
  node,
  type Outcome,
  payloadNode,
  type PauseTicket,
} from "penguiflow";
import { durable } from "penguiflow/durable";
import { settle } from "penguiflow/testing";
import { CutCheckpoints } from "../durable/cut-checkpoint-store.ts";
import { range, running } from "../fixtures/quiet-flow.ts";
import { logbook, rejection, within } from "../fixtures/watched-flow.ts";

const pausesOf = (outcome: Outcome): readonly PauseTicket[] => {
  if (outcome.status !== "paused") throw new Error(`${outcome.status}: ${JSON.stringify(outcome)}`);
  return outcome.pauses;
};
const payloadOf = (item: unknown): unknown => (item as Message).payload;

describe("what a handler sends when it is called again", () => {
  test("is what it returns, though it emits less than it had sent before", async () => {
    let emits = 2;
    const ask = payloadNode("ask", async (n: number, ctx) => {
      for (const index of range(emits)) await ctx.emit(`emit ${index}`);
      emits = 1;
      await ctx.pause({ reason: "go on?" });
      return `returned ${n}`;
    });
    const flow = running(create(ask.to(payloadNode("end", (value: string) => value))));
    const [pause] = pausesOf(await flow.outcome(1));
    const end = await flow.pauses.resume((pause as PauseTicket).token, true);
    expect(end).toMatchObject({ status: "completed", results: ["emit 0", "emit 1", "returned 1"] });
  });

  /** Creates a flow that sends to each target in turn, and is cut off before it returns. */
  const sending = (checkpoints: CheckpointStore, targets: readonly (string | undefined)[], hangs: boolean) => {
    const send = payloadNode("send", async (n: number, ctx) => {
      for (const to of targets) await ctx.emit(`${to} ${n}`, to === undefined ? {} : { to });
      if (hangs) await new Promise<never>(() => {});
      return undefined as unknown as string;
    });
    const [a, b] = [payloadNode("a", (text: string) => text), payloadNode("b", (text: string) => text)];
    return create(send.to(a, b), { durability: durable({ checkpoints }), logger: logbook(), graceMs: 1 }).run();
  };
  const cutOff = async (targets: readonly (string | undefined)[]): Promise<CheckpointStore> => {
    const memory = new MemoryCheckpointStore();
    const cut = new CutCheckpoints(memory);
    const flow = sending(cut, targets, true);
    await flow.emit(1, { traceId: "t" });
    await settle();
    await settle();
    cut.cut();
    await flow.stop();
    return memory;
  };

  test("to the same targets is not sent again", async () => {
    const flow = sending(await cutOff(["a", "b"]), ["a", "b", "b"], false);
    const results = [];
    while (results.length < 3) results.push(payloadOf(await within(4_000, flow.fetch({ traceId: "t" }))));
    expect(results.map(String).toSorted()).toEqual(["a 1", "b 1", "b 1"]);
    await flow.stop();
  });

  test.each([[["b", "a"]], [["b", "a", "b"]], [[undefined, "b"]]])(
    "to %j after it had sent to a and b fails with GRAPH_CHANGED, and nothing is taken for something else",
    async (targets) => {
      const flow = sending(await cutOff(["a", "b"]), targets, false);
      await flow.ready();
      await settle();
      await settle();
      expect(await flow.recovery.unfinished()).toMatchObject([
        { status: "failed", nodes: ["send"], error: { code: "GRAPH_CHANGED", node: "send" } },
      ]);
      expect(flow.stats().outcomes).toMatchObject({ failed: 1 });
      await flow.stop();
      // run first in the release that sends as before
      const flowAsBefore = sending(await cutOff(["a", "b"]), ["a", "b"], false);
      expect(payloadOf(await within(4_000, flowAsBefore.fetch({ traceId: "t" })))).toMatch(/[ab] 1/);
      expect(payloadOf(await within(4_000, flowAsBefore.fetch({ traceId: "t" })))).toMatch(/[ab] 1/);
      await flowAsBefore.stop();
    },
  );
});

test("messages that were taken and given back are still those of their senders: fetch by name gets no other", async () => {
  let calls = 0;
  const taken: unknown[] = [];
  const split = payloadNode("split", (n: number) => n);
  const left = payloadNode("left", (n: number) => `left ${n}`);
  const right = payloadNode("right", (n: number) => `right ${n}`);
  const first = payloadNode("first", (n: number) => n);
  const take = node({ name: "take", policy: { maxRetries: 1, backoffBaseMs: 0 } }, async (message: Message, ctx) => {
    calls += 1;
    if (calls === 1) {
      for (const from of ["left", "right"]) await ctx.fetch({ from });
      throw new Error("again");
    }
    if (calls === 3) {
      taken.push(message.payload);
      await ctx.fetch({ from: "left", timeoutMs: 10 }).catch((error: unknown) => taken.push((error as FlowError).code));
      taken.push(payloadOf(await ctx.fetch({ from: "right" })));
    }
    return message;
  });
  const flow = running(create(first.to(split, take), split.to(left, right), left.to(take), right.to(take)));
  await flow.outcome(1);
  expect(taken).toEqual(["left 1", "WAIT_TIMEOUT", "right 1"]);
});

test("a stream that a handler had begun before its pause is begun again under its own id", async () => {
  const chunks: unknown[] = [];
  const ask = payloadNode("ask", async (n: number, ctx) => {
    await ctx.emitChunk({ text: `asking ${n}` });
    await ctx.emitChunk({ text: "named", streamId: "own" });
    await ctx.pause({ reason: "go on?" });
    await ctx.emitChunk({ text: "done" });
    return n;
  });
  const flow = running(create(ask.to()));
  let token = "";
  try {
    for await (const item of flow.stream(1, { traceId: "t" }))
      if (item.type === "chunk") chunks.push([item.chunk.streamId, item.chunk.run, item.chunk.text, item.chunk.end]);
  } catch (error) {
    token = ((error as FlowError).details as { pauses: PauseTicket[] }).pauses[0]?.token as string;
  }
  for await (const item of flow.pauses.resumeStream(token, true))
    if (item.type === "chunk") chunks.push([item.chunk.streamId, item.chunk.run, item.chunk.text, item.chunk.end]);
  expect(chunks).toEqual([
    ["t", 0, "asking 1", undefined],
    ["own", 0, "named", undefined],
    ["t", 0, "", "retry"],
    ["own", 0, "", "retry"],
    ["t", 1, "asking 1", undefined],
    ["own", 1, "named", undefined],
    ["t", 1, "done", undefined],
    ["t", 1, "", "done"],
    ["own", 1, "", "done"],
  ]);
});

describe("a playbook that a handler calls again", () => {
  const approve = create(
    payloadNode("approve", async (item: string, ctx) => {
      const keys = ctx.idempotencyKey;
      return `${item}: ${await ctx.pause<string>({ reason: "approve?", payload: item })} ${keys.length > 0}`;
    }).to(),
    { name: "approve" },
  );

  test("is told from others by its key, not by the order of the calls", async () => {
    let items = ["b"];
    const ask = payloadNode("ask", async (_: number, ctx) =>
      (await Promise.all(items.map((item) => ctx.callPlaybook(approve, item, { key: item })))).join(),
    );
    const flow = running(create(ask.to()));
    const [b] = pausesOf(await flow.outcome(1));
    items = ["a", "b"];
    const [a] = pausesOf(await flow.pauses.resume((b as PauseTicket).token, "yes to b"));
    expect(a?.payload).toBe("a");
    expect(await flow.pauses.resume((a as PauseTicket).token, "no to a")).toMatchObject({
      result: "a: no to a true,b: yes to b true",
    });
  });

  test("needs a key of its own", async () => {
    const ask = payloadNode("ask", async (_: number, ctx) => {
      await Promise.all([1, 2].map(() => ctx.callPlaybook(approve, "x", { key: "x" })));
    });
    const flow = running(create(ask.to()));
    const error = (await rejection(flow.call(1))) as FlowError;
    expect(error).toMatchObject({ code: "NODE_EXCEPTION" });
    expect(error.message).toContain('key "x"');
  });
});
