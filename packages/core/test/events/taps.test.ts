import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import {
  create,
  type FlowEvent,
  type Message,
  node,
  type ObservedChunk,
  type ObservedRecord,
  type ObservedRun,
  payloadNode,
} from "penguiflow";
import { afterEach, describe, expect, test } from "vitest";
import { tidy } from "../fixtures/watched-flow.ts";

const undo: (() => void)[] = [];

/** Messages of the channels, by name. */
interface Channels {
  run: ObservedRun;
  record: ObservedRecord;
  chunk: ObservedChunk;
  trace_start: FlowEvent;
  node_start: FlowEvent;
  node_success: FlowEvent;
  trace_end: FlowEvent;
}

/** Subscribes to a channel until the test is over. */
function listen<Name extends keyof Channels>(name: Name, note: (item: Channels[Name]) => void): void {
  const listener = (item: unknown) => note(item as Channels[Name]);
  subscribe(`penguiflow:${name}`, listener);
  undo.push(() => unsubscribe(`penguiflow:${name}`, listener));
}

function collect<Name extends keyof Channels>(name: Name): Channels[Name][] {
  const items: Channels[Name][] = [];
  listen(name, (item) => void items.push(item));
  return items;
}

afterEach(() => {
  for (const step of undo.splice(0)) step();
});

const double = payloadNode("double", (value: number) => value * 2);
const talk = node("talk", async (message: Message<string>, ctx) => {
  await ctx.emitChunk({ parent: message, text: "thin", meta: { channel: "thinking" } });
  await ctx.emitChunk({ parent: message, text: "king" });
  return message.payload;
});

describe("the channel of runs", () => {
  test("gives a handle of every run that begins, with which its traces can be seen and answered", async () => {
    const runs = collect("run");
    const ask = payloadNode("ask", (_: string, ctx) => ctx.pause<string>({ reason: "approve" }));
    const flow = create(ask.to(), { name: "asking" });
    flow.run();
    const paused = flow.outcome("x");
    await paused;
    const { run, type } = runs[0]!;
    expect([type, run.name, run.graph, run.stats().traces]).toEqual(["started", "asking", flow.graph, 1]);
    const [ticket] = await run.pauses.list();
    expect(await run.pauses.resume(ticket!.token, "yes")).toMatchObject({ status: "completed", result: "yes" });
    await flow.stop();
    expect(runs.map((one) => [one.type, one.id === runs[0]!.id, one.error])).toEqual([
      ["started", true, undefined],
      ["ended", true, undefined],
    ]);
  });

  test("tells the runs of one flow apart, and their records", async () => {
    const runs = collect("run");
    const records = collect("record");
    const flow = create(double.to());
    await using one = flow.start();
    await using two = flow.start();
    await two.call(1);
    await one.call(2);
    const [first, second] = runs.map(({ id }) => id);
    expect(first).not.toBe(second);
    expect([...new Set(records.map(({ run }) => run))]).toEqual([second, first]);
    expect(runs.map(({ run }) => run)).toEqual([one, two]);
  });

  test("tells nothing of a run that began before it was subscribed", async () => {
    await using flow = create(double.to());
    flow.run();
    const runs = collect("run");
    const records = collect("record");
    expect(await flow.call(1)).toBe(2);
    await flow.stop();
    expect([runs, records]).toEqual([[], []]);
    await flow.run().call(1);
    expect(records.length).toBeGreaterThan(0);
  });
});

describe("the channel of records", () => {
  test("publishes what a recorder of the flow is given, with instants, beside that recorder", async () => {
    const tapped = collect("record");
    const own: unknown[] = [];
    const flow = tidy(create(double.to(), { recorder: (record) => void own.push(record) }).run());
    await flow.call(21);
    expect(tapped.map(({ record }) => record)).toEqual(own);
    expect(tapped.map(({ record }) => record.type)).toEqual(["accepted", "started", "committed", "ended"]);
    const instants = tapped.map(({ now }) => now);
    expect(instants).toEqual([...instants].sort((left, right) => left - right));
    for (const { at } of tapped) expect(at).toBeGreaterThan(Date.UTC(2020, 0));
  });

  test("publishes a payload before its handler can change it, and outside of the caller's async context", async () => {
    const context = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    listen("record", ({ record }) => {
      if (record.type === "accepted") seen.push(structuredClone(record.message.payload), context.getStore());
    });
    const change = payloadNode("change", (list: string[]) => list.splice(0).length);
    const flow = tidy(create(change.to()).run());
    expect(await context.run("caller", () => flow.call(["as it came"]))).toBe(1);
    expect(seen).toEqual([["as it came"], undefined]);
  });

  test("has the records of playbooks, by their full name", async () => {
    const tapped = collect("record");
    const inner = create(double.to(), { name: "inner" });
    const outer = payloadNode("outer", async (value: number, ctx) => ctx.callPlaybook(inner, value));
    const flow = tidy(create(outer.to()).run());
    await flow.call(1);
    expect([...new Set(tapped.map((one) => one.flow))]).toEqual(["flow", "flow/inner"]);
    expect(new Set(tapped.map(({ run }) => run)).size).toBe(1);
  });
});

describe("the channel of chunks", () => {
  test("publishes each chunk once, and of the last one what its stream began with", async () => {
    const chunks = collect("chunk");
    const flow = tidy(create(talk.to()).run());
    const read: string[] = [];
    for await (const item of flow.stream("hm")) if (item.type === "chunk") read.push(item.chunk.text);
    expect(read).toEqual(["thin", "king", ""]);
    const stream = { meta: { channel: "thinking" }, kind: undefined };
    expect(chunks.map((one) => [one.chunk.text, one.chunk.done, one.stream])).toEqual([
      ["thin", false, stream],
      ["king", false, stream],
      ["", true, stream],
    ]);
  });

  test("publishes also what no caller reads, once for a playbook, and not what goes to a node", async () => {
    const chunks = collect("chunk");
    const inner = create(talk.to(), { name: "inner" });
    const writer = node("writer", async (message: Message<string>, ctx) => {
      await ctx.callPlaybook(inner, message.payload);
      await ctx.emitChunk({ parent: message, text: "aside", streamId: "aside", done: true, to: "reader" });
    });
    const reader = payloadNode("reader", () => 1);
    const flow = tidy(create(writer.to(reader)).run());
    await flow.call("hm");
    expect(chunks.map(({ chunk }) => [chunk.text, chunk.path])).toEqual([
      ["thin", ["inner"]],
      ["king", ["inner"]],
      ["", ["inner"]],
    ]);
  });

  test("is in one order with the records and events of the run", async () => {
    const all: { seq: number; what: string }[] = [];
    listen("chunk", ({ seq, chunk }) => all.push({ seq, what: `chunk ${chunk.text}` }));
    listen("record", ({ seq, record }) => all.push({ seq, what: `record ${record.type}` }));
    for (const type of ["trace_start", "node_start", "node_success", "trace_end"] as const)
      listen(type, (event) => all.push({ seq: event.seq, what: event.type }));
    const flow = tidy(create(talk.to()).run());
    await flow.call("hm");
    await flow.flush();
    const ordered = all.sort((left, right) => left.seq - right.seq);
    expect(ordered.map(({ seq }) => seq)).toEqual(ordered.map((_, index) => index + 1));
    expect(ordered.map(({ what }) => what)).toEqual([
      "trace_start",
      "record accepted",
      "record started",
      "node_start",
      "chunk thin",
      "chunk king",
      "chunk ",
      "node_success",
      "record committed",
      "record ended",
      "trace_end",
    ]);
  });
});
