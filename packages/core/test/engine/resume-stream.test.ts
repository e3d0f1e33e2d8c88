import { expect, test } from "vitest";
import { create, FlowError, payloadNode } from "../../src/index.ts";
import { settle } from "penguiflow/testing";
import { rejection, within } from "../fixtures/watched-flow.ts";
import type { Outcome, PauseTicket, StreamItem } from "../../src/index.ts";

const ask = payloadNode("ask", async (question: string, ctx) => {
  await ctx.emitChunk({ text: `${question} ` });
  const answer = await ctx.pause<string>({
    reason: question,
    resumeSchema: {
      "~standard": {
        version: 1,
        vendor: "test",
        validate: (value) => (typeof value === "string" ? { value } : { issues: [{ message: "a text is wanted" }] }),
      },
    },
  });
  for (const text of answer) await ctx.emitChunk({ text });
  return answer.length;
});
const flowOf = () => create(ask.to(payloadNode("end", (letters: number) => letters * 2))).run();

function ticketOf(outcome: Outcome): PauseTicket {
  if (outcome.status !== "paused") throw new Error(outcome.status);
  return outcome.pauses[0] as PauseTicket;
}

async function read(items: AsyncIterable<unknown>): Promise<unknown[]> {
  const all: unknown[] = [];
  for await (const item of items as AsyncIterable<StreamItem<unknown>>) {
    if (item.type === "chunk") all.push(item.chunk.text);
    else all.push(item.type === "pause" ? `${item.pause.reason} (pause)` : item.result);
  }
  return all;
}

test("what a trace produces after an answer can be read as a stream", async () => {
  await using flow = flowOf();
  const { token } = ticketOf(await flow.outcome("name?"));
  expect(
    (await read(flow.pauses.resumeStream(token, "ada"))).filter((text) => text !== "" && text !== "name? "),
  ).toEqual(["a", "d", "a", 6]);
  expect(flow.stats().traces).toBe(0);
});

test("a refused answer ends the stream with its error, and the pause stays open", async () => {
  await using flow = flowOf();
  const { token } = ticketOf(await flow.outcome("name?"));
  await expect(read(flow.pauses.resumeStream(token, 7))).rejects.toMatchObject({ code: "RESUME_INVALID" });
  await expect(read(flow.pauses.resumeStream("pause_0_0_x", "ada"))).rejects.toBeInstanceOf(FlowError);
  expect(await flow.pauses.resume(token, "ada")).toMatchObject({ status: "completed", result: 6 });
});

test("leaving such a stream cancels the trace, unless it is detached", async () => {
  await using flow = flowOf();
  for (const [onLeave, wanted] of [
    ["cancel", "cancelled"],
    ["detach", "completed"],
  ] as const) {
    const before = flow.stats().outcomes[wanted];
    const { token } = ticketOf(await flow.outcome("name?"));
    const reader = flow.pauses.resumeStream(token, "ada", { onLeave });
    await reader.next();
    await reader.return();
    while (flow.stats().traces > 0) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(flow.stats().outcomes[wanted]).toBe(before + 1);
  }
});

test("a trace whose results are fetched has no such stream", async () => {
  await using flow = flowOf();
  await flow.emit("name?", { traceId: "t" });
  let tickets = await flow.pauses.list();
  while (tickets.length === 0)
    tickets = await new Promise((resolve) => setTimeout(() => resolve(flow.pauses.list()), 1));
  const { token } = tickets[0] as PauseTicket;
  await expect(read(flow.pauses.resumeStream(token, "ada"))).rejects.toThrow(
    'Cannot read the stream of trace "t": its results go to fetch',
  );
  expect(await flow.pauses.resume(token, "ada")).toMatchObject({ status: "completed" });
  expect(await flow.fetch({ traceId: "t" })).toMatchObject({ payload: 6 });
});

test.each(["resumeStream", "stream", "follow"] as const)(
  "a fetch that waits for a trace receives its result, though another reads it by %s",
  async (how) => {
    const go = Promise.withResolvers<void>();
    const work = payloadNode("work", async (value: number, ctx) => {
      const more = await ctx.pause<number>({ reason: "how many?" });
      await go.promise;
      return value + more;
    });
    await using flow = create(work.to()).run();
    const { token } = ticketOf(await flow.outcome(1, { id: "t" }));
    const fetched = flow.fetch({ traceId: "t" });
    await settle();
    if (how !== "resumeStream") void flow.pauses.resume(token, 4);
    const items = {
      resumeStream: () => flow.pauses.resumeStream(token, 4),
      stream: () => flow.stream(1, { id: "t" }),
      follow: () => flow.recovery.follow("t"),
    };
    const all = read(await items[how]());
    await settle();
    go.resolve();
    expect(await all).toEqual([5]);
    expect(await within(1_000, fetched)).toMatchObject({ payload: 5 });
    expect(flow.stats()).toMatchObject({ unreadResults: 0, fetchers: 0 });
  },
);

test("a fetch that waits for a trace whose reader leaves is told how it ended", async () => {
  await using flow = flowOf();
  const { token } = ticketOf(await flow.outcome("name?", { traceId: "t" }));
  const fetched = rejection(flow.fetch({ traceId: "t" }));
  await settle();
  const items = flow.pauses.resumeStream(token, "ada");
  await items.next();
  await items.return();
  expect(await within(1_000, fetched)).toMatchObject({ code: "TRACE_CANCELLED" });
});
