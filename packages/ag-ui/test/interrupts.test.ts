import { type AGUIEvent, type ResumeEntry, EventType } from "@ag-ui/core";
import { aguiHandler } from "@penguiflow/ag-ui";
import { createPlanner, tool } from "@penguiflow/planner";
import { scriptedModel } from "@penguiflow/planner/testing";
import { create, type FlowRun, joinK, MemoryCheckpointStore, payloadNode } from "penguiflow";
import { durable } from "penguiflow/durable";
import { expect, test } from "vitest";
import { z } from "zod";
import { requireOrder } from "./order.ts";
import { closed, events, interruptsOf, runInput, serve, textOf, typesOf } from "./serve.ts";

const caller = () => ({ tenant: "acme", user: "ann" });

/** A flow that asks once, and counts how often it went on. */
function asking(options: object = {}, heard: unknown[] = []) {
  const ask = payloadNode("ask", async (question: string, ctx) => {
    const answer = await ctx.pause({ reason: question, resumeSchema: z.object({ ok: z.boolean() }) });
    heard.push(answer);
    return `ok: ${answer.ok}`;
  });
  return { flow: create(ask.to(), options), heard };
}

async function asked(more: { readonly caller?: (request: Request) => object } = {}) {
  const { flow, heard } = asking();
  const running = closed(flow.run());
  const url = await serve(aguiHandler(running, { caller, ...more }));
  const all = await events(url, runInput("May I?"));
  requireOrder(all);
  return { url, flow: running, heard, ids: interruptsOf(all).map(({ id }) => id) };
}

const resolved = (id: string | undefined, payload: unknown): ResumeEntry => ({
  interruptId: id ?? "",
  status: "resolved",
  payload,
});

async function resumed(url: string, resume: ResumeEntry[], change: object = {}): Promise<AGUIEvent[]> {
  const all = await events(url, runInput("", { messages: [], resume, ...change }));
  requireOrder(all);
  return all;
}

test("a paused run ends with a snapshot and its interrupt, and a resume goes on with it", async () => {
  const { url, heard, ids } = await asked();

  const all = await resumed(url, [resolved(ids[0], { ok: true })]);

  expect(heard).toEqual([{ ok: true }]);
  expect(textOf(all)).toBe("ok: true");
  expect(all.at(-1)).toMatchObject({ outcome: { type: "success" } });
});

test("input without a resume is refused while an interrupt is open, and leaves it open", async () => {
  const { url, ids } = await asked();

  const all = await events(url, runInput("Another question"));

  expect(typesOf(all)).toEqual(["RUN_STARTED", "RUN_ERROR"]);
  expect(all[1]).toMatchObject({ code: "INTERRUPT_OPEN" });
  expect((await resumed(url, [resolved(ids[0], { ok: false })])).at(-1)).toMatchObject({
    outcome: { type: "success" },
  });
});

test("another thread is not held up by an open interrupt", async () => {
  const { url } = await asked();

  const all = await events(url, runInput("Another question", { threadId: "t-2" }));

  expect(interruptsOf(all)).toHaveLength(1);
});

test.for([
  ["another thread", {}, { threadId: "t-2" }],
  ["another user", { user: "bob" }, {}],
  ["another tenant", { tenant: "other" }, {}],
])("%s cannot answer an interrupt", async ([, who, change]) => {
  let now: object = caller();
  const { url, heard, ids } = await asked({ caller: () => now });
  now = { ...caller(), ...(who as object) };

  const all = await resumed(url, [resolved(ids[0], { ok: true })], change as object);

  expect(all.at(-1)).toMatchObject({ type: "RUN_ERROR", code: "INTERRUPT_UNKNOWN" });
  expect(heard).toEqual([]);
});

test("the same resume twice has the outcome of the first, and its messages, and is heard once", async () => {
  const { url, heard, ids } = await asked();
  const resume = [resolved(ids[0], { ok: true })];

  const first = await resumed(url, resume);
  const second = await resumed(url, resume);

  expect(heard).toHaveLength(1);
  const { runId: _, ...outcome } = first.at(-1) as AGUIEvent & { runId: string };
  expect(second.at(-1)).toMatchObject(outcome);
  expect(typesOf(second)).toEqual(["RUN_STARTED", "MESSAGES_SNAPSHOT", "RUN_FINISHED"]);
  expect(second[1]).toMatchObject({ messages: [{ role: "assistant", content: "ok: true" }] });
});

test("two equal resumes that arrive together are heard once and end alike", async () => {
  const { url, heard, ids } = await asked();
  const resume = [resolved(ids[0], { ok: true })];

  const both = await Promise.all([resumed(url, resume), resumed(url, resume)]);

  expect(heard).toHaveLength(1);
  for (const all of both) expect(all.at(-1)).toMatchObject({ outcome: { type: "success" } });
});

test("another answer to an interrupt that was answered is refused", async () => {
  const { url, heard, ids } = await asked();
  await resumed(url, [resolved(ids[0], { ok: true })]);

  const all = await resumed(url, [resolved(ids[0], { ok: false })]);

  expect(all.at(-1)).toMatchObject({ type: "RUN_ERROR", code: "INTERRUPT_ANSWERED" });
  expect(heard).toHaveLength(1);
});

test("an answer that does not fit is refused with its reason, and the interrupt can be answered again", async () => {
  const { url, ids } = await asked();

  const refused = await resumed(url, [resolved(ids[0], { ok: "perhaps" })]);

  expect(refused.at(-1)).toMatchObject({ type: "RUN_ERROR", code: "RESUME_INVALID" });
  expect(refused.at(-1)).toHaveProperty("message", expect.stringContaining("ok"));
  expect((await resumed(url, [resolved(ids[0], { ok: true })])).at(-1)).toMatchObject({ outcome: { type: "success" } });
});

test("a cancelled interrupt of a flow cancels its trace", async () => {
  const { url, flow, ids } = await asked();

  const all = await resumed(url, [{ interruptId: ids[0] as string, status: "cancelled" }]);

  expect(all.at(-1)).toMatchObject({ outcome: { type: "cancelled" } });
  expect(await flow.pauses.list({ tenant: "acme" })).toEqual([]);
});

/** A flow that asks in two branches at once. */
async function twice() {
  const begin = payloadNode("begin", (question: string) => question);
  const ask = (name: "left" | "right") =>
    payloadNode(name, async (question: string, ctx) => {
      const answer = (await ctx.pause({ reason: `${name}: ${question}` })) as string;
      await ctx.emitChunk({ streamId: name, text: `[${name} ${answer}]`, done: true });
      return answer;
    });
  const left = ask("left");
  const right = ask("right");
  const join = joinK("join", 2);
  const flow = create(begin.to(left, right), left.to(join), right.to(join), join.to()) as FlowRun<string, unknown>;
  closed((flow as never as { run(): typeof flow }).run());
  const url = await serve(aguiHandler(flow, { caller }));
  const open = interruptsOf(await events(url, runInput("ok?")));
  return { url, open };
}

test("a resume answers all interrupts of the thread at once", async () => {
  const { url, open } = await twice();

  const all = await resumed(
    url,
    open.map(({ id, message }) => resolved(id, message)),
  );

  expect(textOf(all)).toContain("[left left: ok?]");
  expect(textOf(all)).toContain("[right right: ok?]");
  expect(all.at(-1)).toMatchObject({ outcome: { type: "success" } });
});

test("a resume that leaves an interrupt open is refused, and none is answered", async () => {
  const { url, open } = await twice();

  const all = await resumed(url, [resolved(open[0]?.id, "yes")]);

  expect(open).toHaveLength(2);
  expect(all.at(-1)).toMatchObject({ type: "RUN_ERROR", code: "INTERRUPT_UNANSWERED" });
  const next = await resumed(
    url,
    open.map(({ id }) => resolved(id, "yes")),
  );
  expect(next.at(-1)).toMatchObject({ outcome: { type: "success" } });
});

test("after a restart a new handler over the same checkpoints knows the interrupt by its id", async () => {
  const checkpoints = new MemoryCheckpointStore();
  const first = asking({ name: "asking", durability: durable({ checkpoints }) });
  await first.flow.run().ready();
  const [interrupt] = interruptsOf(await events(await serve(aguiHandler(first.flow, { caller })), runInput("May I?")));
  await first.flow.stop();

  const second = asking({ name: "asking", durability: durable({ checkpoints }) });
  await closed(second.flow.run()).ready();
  const url = await serve(aguiHandler(second.flow, { caller }));
  const all = await resumed(url, [resolved(interrupt?.id, { ok: true })]);

  expect(second.heard).toEqual([{ ok: true }]);
  expect(first.heard).toEqual([]);
  expect(textOf(all)).toBe("ok: true");
});

/** A durable planner that asks before each of two payments. */
function paying(checkpoints: MemoryCheckpointStore, paid: unknown[]) {
  const pay = tool({
    name: "pay",
    description: "Pays",
    input: z.object({ eur: z.number() }),
    effects: "writes",
    approval: true,
    run: ({ eur }, { caller: who }) => {
      paid.push([eur, who.user]);
      return `paid ${eur}`;
    },
  });
  const model = scriptedModel(({ prompt }) => {
    if (prompt.at(-1)?.role === "tool") return "Done";
    return { text: "I pay", calls: [5, 7].map((eur) => ({ tool: "pay", args: { eur } })) };
  });
  return createPlanner({ name: "payer", model, tools: [pay], flow: { durability: durable({ checkpoints }) } });
}

test("a planner's approvals outlast a reload, and are answered with edited arguments and a refusal", async () => {
  const checkpoints = new MemoryCheckpointStore();
  const paid: unknown[] = [];
  const first = paying(checkpoints, paid).start();
  const before = await events(await serve(aguiHandler(first, { caller })), runInput("Pay the bills"));
  requireOrder(before);
  const open = interruptsOf(before);
  await first[Symbol.asyncDispose]();

  const second = closed(paying(checkpoints, paid).start());
  const url = await serve(aguiHandler(second, { caller }));
  const all = await resumed(url, [
    resolved(open[0]?.id, { approved: true, editedArgs: { eur: 4 } }),
    resolved(open[1]?.id, { approved: false, reason: "not this one" }),
  ]);

  expect(paid).toEqual([[4, "ann"]]);
  const results = all.filter((event) => event.type === EventType.TOOL_CALL_RESULT);
  expect(results).toHaveLength(2);
  expect(new Set(results.map(({ toolCallId }) => toolCallId))).toEqual(
    new Set(open.map(({ toolCallId }) => toolCallId)),
  );
  expect(results).toContainEqual(expect.objectContaining({ content: "paid 4" }));
  expect(results).toContainEqual(expect.objectContaining({ metadata: { penguiflow: { kind: "denied" } } }));
  expect(textOf(all)).toBe("Done");
});

test("a cancelled approval is a refusal, and a payload of another shape is refused", async () => {
  const paid: unknown[] = [];
  const planner = closed(paying(new MemoryCheckpointStore(), paid).start());
  const url = await serve(aguiHandler(planner, { caller }));
  const ids = interruptsOf(await events(url, runInput("Pay"))).map(({ id }) => id);

  for (const payload of [true, {}, { approved: "yes" }, { approved: false, editedArgs: {} }]) {
    const all = await resumed(
      url,
      ids.map((id) => resolved(id, payload)),
    );
    expect(all.at(-1)).toMatchObject({ type: "RUN_ERROR", code: "RESUME_INVALID" });
  }
  const all = await resumed(
    url,
    ids.map((interruptId) => ({ interruptId, status: "cancelled" })),
  );

  expect(all.at(-1)).toMatchObject({ outcome: { type: "success" } });
  expect(paid).toEqual([]);
});

test("edited arguments that do not fit the tool leave the questions that were not answered open", async () => {
  const paid: unknown[] = [];
  const planner = closed(paying(new MemoryCheckpointStore(), paid).start());
  const url = await serve(aguiHandler(planner, { caller }));
  const ids = interruptsOf(await events(url, runInput("Pay"))).map(({ id }) => id);
  const good = resolved(ids[0], { approved: true });

  const refused = await resumed(url, [good, resolved(ids[1], { approved: true, editedArgs: { eur: "much" } })]);
  const all = await resumed(url, [good, resolved(ids[1], { approved: true, editedArgs: { eur: 1 } })]);

  expect(refused.at(-1)).toMatchObject({ type: "RUN_ERROR", code: "RESUME_INVALID" });
  expect(all.at(-1)).toMatchObject({ outcome: { type: "success" } });
  expect(paid).toEqual([
    [5, "ann"],
    [1, "ann"],
  ]);
});
