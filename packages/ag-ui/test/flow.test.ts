import { EventType } from "@ag-ui/core";
import type { PlanEvent } from "@penguiflow/planner";
import { aguiHandler, traceIdOf } from "@penguiflow/ag-ui";
import { create, type Context, payloadNode } from "penguiflow";
import { expect, test } from "vitest";
import { requireOrder } from "./order.ts";
import { closed, events, interruptsOf, post, eventsIn, runInput, serve, textOf, typesOf } from "./serve.ts";

declare module "penguiflow" {
  interface ChunkKinds {
    "ag-ui-test.card": { readonly price: unknown };
  }
}

type Reasoning = Extract<PlanEvent, { readonly type: "text" | "reasoning" }>;

const caller = () => ({ tenant: "acme", user: "ann" });

/** Serves a flow of one node. */
async function served(
  run: (question: string, ctx: Context) => unknown,
  options: { readonly maxRetries?: number } = {},
): Promise<string> {
  const only = payloadNode(
    { name: "only", policy: { backoffBaseMs: 1, maxRetries: 0, ...options } },
    run as (question: string, ctx: Context) => string,
  );
  const flow = closed(create(only.to()).run());
  return await serve(aguiHandler(flow, { caller }));
}

async function ran(run: Parameters<typeof served>[0], options: Parameters<typeof served>[1] = {}) {
  const all = await events(await served(run, options), runInput("why?"));
  requireOrder(all);
  return all;
}

test("a streamed answer is one message, and a result that repeats it is not told again", async () => {
  const all = await ran(async (question, ctx) => {
    await ctx.emitChunk({ text: "You asked: " });
    await ctx.emitChunk({ text: question, done: true });
    return "You asked: why?";
  });

  expect(typesOf(all)).toEqual([
    ...["RUN_STARTED", "TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END"],
    "RUN_FINISHED",
  ]);
  expect(all[0]).toMatchObject({ threadId: "t-1", protocolVersion: "1.0" });
  expect(all[1]).toMatchObject({ role: "assistant", metadata: { penguiflow: { node: "only" } } });
  expect(textOf(all)).toBe("You asked: why?");
  expect(all.at(-1)).toMatchObject({ type: "RUN_FINISHED", threadId: "t-1", outcome: { type: "success" } });
});

test("a result that is a text is the answer of a flow that streams none", async () => {
  const all = await ran(() => "Because.");

  expect(textOf(all)).toBe("Because.");
  expect(all.at(-1)).not.toHaveProperty("result");
});

test("another result is the run's result", async () => {
  const all = await ran(() => ({ sum: 4 }));

  expect(typesOf(all)).toEqual(["RUN_STARTED", "RUN_FINISHED"]);
  expect(all.at(-1)).toMatchObject({ result: { sum: 4 }, outcome: { type: "success" } });
});

test("a chunk of the channel thinking is reasoning, also where its last chunk has no meta", async () => {
  const all = await ran(async (_, ctx) => {
    await ctx.emitChunk({ streamId: "t", text: "hm", meta: { channel: "thinking" } });
    await ctx.emitChunk({ streamId: "t", text: "!", done: true });
    return "So.";
  });

  expect(typesOf(all).slice(1, 7)).toEqual([
    ...["REASONING_START", "REASONING_MESSAGE_START", "REASONING_MESSAGE_CONTENT", "REASONING_MESSAGE_CONTENT"],
    ...["REASONING_MESSAGE_END", "REASONING_END"],
  ]);
  expect(textOf(all)).toBe("So.");
});

test("reasoning of a planner within a flow is reasoning, and a text of another channel a custom event", async () => {
  const all = await ran(async (_, ctx) => {
    await ctx.emitChunk({
      streamId: "p",
      kind: "planner.reasoning",
      data: { delta: "hm" } satisfies Pick<Reasoning, "delta">,
    });
    await ctx.emitChunk({ streamId: "p", text: "So." });
    await ctx.emitChunk({ streamId: "s", text: "50 %", meta: { channel: "status" } });
    return { ok: true };
  });

  const said = all.filter((event) => event.type === EventType.REASONING_MESSAGE_CONTENT);
  expect(said.map(({ delta }) => delta)).toEqual(["hm"]);
  expect(textOf(all)).toBe("So.");
  expect(all).toContainEqual({ type: "CUSTOM", name: "penguiflow.chunk", value: { channel: "status", text: "50 %" } });
});

test("a stream that ends without a piece gives no event", async () => {
  const all = await ran(async (_, ctx) => {
    await ctx.emitChunk({ streamId: "empty", text: "", done: true });
    return { ok: true };
  });

  expect(typesOf(all)).toEqual(["RUN_STARTED", "RUN_FINISHED"]);
});

test("a chunk with data is a custom event of its kind", async () => {
  const all = await ran(async (_, ctx) => {
    await ctx.emitChunk({ kind: "ag-ui-test.card", data: { price: 3 } });
    return { ok: true };
  });

  expect(all[1]).toEqual({ type: "CUSTOM", name: "ag-ui-test.card", value: { price: 3 } });
});

test("data that is no JSON ends the run with NOT_SERIALISABLE and cancels the trace", async () => {
  let left: AbortSignal | undefined;
  const all = await ran(async (_, ctx) => {
    left = ctx.signal;
    await ctx.emitChunk({ kind: "ag-ui-test.card", data: { price: 3n } });
    await ctx.sleep(60_000);
  });

  expect(all.at(-1)).toEqual({
    type: "RUN_ERROR",
    code: "NOT_SERIALISABLE",
    message: "The run has failed with NOT_SERIALISABLE",
  });
  expect(left?.aborted).toBe(true);
});

test("a retried stream is taken back: its message ends, the next has another id, and a snapshot leaves it out", async () => {
  const all = await ran(
    async (_, ctx) => {
      await ctx.emitChunk({ text: `try ${ctx.attempt}` });
      if (ctx.attempt === 1) throw new Error("again");
      return "unused";
    },
    { maxRetries: 1 },
  );

  const [first, second] = all.filter((event) => event.type === EventType.TEXT_MESSAGE_START);
  expect(second?.messageId).not.toBe(first?.messageId);
  expect(all).toContainEqual({
    type: "CUSTOM",
    name: "penguiflow.retracted",
    value: { messageId: first?.messageId },
  });
  const snapshot = all.find((event) => event.type === EventType.MESSAGES_SNAPSHOT);
  expect(snapshot?.messages.map(({ content }) => content)).toEqual(["why?", "try 2"]);
});

test("a failed run ends with its code, and what a handler threw stays on the server", async () => {
  const all = await ran(async (_, ctx) => {
    await ctx.emitChunk({ text: "I beg" });
    throw new Error("password: fish");
  });

  expect(typesOf(all).slice(-2)).toEqual(["TEXT_MESSAGE_END", "RUN_ERROR"]);
  expect(all.at(-1)).toMatchObject({ code: "NODE_EXCEPTION" });
  expect(JSON.stringify(all)).not.toContain("fish");
});

test("the program may describe an error, and a description that throws is the code", async () => {
  const only = payloadNode({ name: "only", policy: { maxRetries: 0 } }, (question: string): string => {
    throw new Error(question);
  });
  const flow = closed(create(only.to()).run());
  const describe = ({ error }: { readonly error: unknown }): string => {
    const { message } = (error as { readonly cause: Error }).cause;
    if (message === "worse") throw new Error("cannot");
    return `Sorry: ${message}`;
  };
  const url = await serve(aguiHandler(flow, { caller, describe }));

  expect((await events(url, runInput("bad"))).at(-1)).toMatchObject({ message: "Sorry: bad" });
  expect((await events(url, runInput("worse"))).at(-1)).toMatchObject({ message: "NODE_EXCEPTION" });
});

test("a cancelled run is cancelled for clients of 1.0, and an error for clients before it", async () => {
  const only = payloadNode("only", async (_: string, ctx) => {
    flow.cancel(ctx.traceId, { tenant: "acme" }).catch(() => {});
    await ctx.sleep(60_000);
    return "";
  });
  const flow = closed(create(only.to()).run());
  const url = await serve(aguiHandler(flow, { caller }));
  const { protocolVersion: _, ...old } = runInput("why?");

  expect((await events(url, runInput("why?"))).at(-1)).toMatchObject({ outcome: { type: "cancelled" } });
  expect((await events(url, old)).at(-1)).toMatchObject({ type: "RUN_ERROR", code: "CANCELLED" });
});

test("a run that comes to nothing is a success that says where it ended", async () => {
  const all = await ran(() => undefined);

  expect(all.at(-2)).toMatchObject({ type: "CUSTOM", name: "penguiflow.empty", value: { node: "only" } });
  expect(all.at(-1)).toMatchObject({ outcome: { type: "success" } });
});

test("the client is told of no trace, no token and no tenant", async () => {
  const all = await ran(async (_, ctx) => await ctx.pause({ reason: "May I?" }));

  const [interrupt] = interruptsOf(all);
  expect(interrupt).toMatchObject({ reason: "penguiflow:pause", message: "May I?" });
  expect(interrupt?.id).toMatch(/^int_[\w-]{24}$/);
  expect(JSON.stringify(all)).not.toMatch(/acme|"token"/);
});

test("a program finds the trace of a run by thread and run", async () => {
  const only = payloadNode("only", async (_: string, ctx) => ctx.traceId);
  const flow = closed(create(only.to()).run());
  const url = await serve(aguiHandler(flow, { caller: () => ({}) }));

  const all = await events(url, runInput("why?", { runId: "mine" }));

  expect(textOf(all)).toBe(await traceIdOf(undefined, "t-1", "mine"));
});

test("a run without a message of a user is refused", async () => {
  const all = await events(await served(() => "x"), runInput("", { messages: [] }));

  expect(typesOf(all)).toEqual(["RUN_STARTED", "RUN_ERROR"]);
  expect(all[1]).toMatchObject({ code: "INPUT_INVALID" });
});

test("the program makes the input, and sees only tools that it allows", async () => {
  const sum = payloadNode("sum", ({ given }: { given: unknown }) => JSON.stringify(given));
  const flow = closed(create(sum.to()).run());
  const handler = aguiHandler(flow, {
    caller,
    clientTools: ["paint"],
    input: ({ forwardedProps, tools }) => ({ given: [forwardedProps, tools.map(({ name }) => name)] }),
  });
  const tools = ["paint", "erase"].map((name) => ({ name, description: name, parameters: {} }));

  const all = await events(await serve(handler), runInput("", { tools, forwardedProps: { tenant: "other" } }));

  expect(textOf(all)).toBe('[{"tenant":"other"},["paint"]]');
});

test("a flow that is not running ends the run with an error", async () => {
  const flow = create(payloadNode("only", (question: string) => question).to());
  const response = await post(await serve(aguiHandler(flow, { caller })), runInput("why?"));

  expect(eventsIn(await response.text()).at(-1)).toMatchObject({ type: "RUN_ERROR", code: "FLOW_NOT_RUNNING" });
});
