import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { create, type FlowEvent, payloadNode } from "penguiflow";
import { afterEach, describe, expect, test, vi } from "vitest";

const parse = payloadNode({ name: "parse", policy: { maxRetries: 0 } }, (text: string) => JSON.parse(text) as unknown);
const undo: (() => void)[] = [];

/** Subscribes to the channel of a type until the test is over. */
function listen(type: string): FlowEvent[] {
  const events: FlowEvent[] = [];
  const note = (event: unknown) => void events.push(event as FlowEvent);
  subscribe(`penguiflow:${type}`, note);
  undo.push(() => unsubscribe(`penguiflow:${type}`, note));
  return events;
}

afterEach(() => {
  for (const step of undo.splice(0)) step();
  vi.unstubAllGlobals();
  vi.resetModules();
});

describe("diagnostics channels", () => {
  test("publish the events of every flow that runs while they have subscribers, one channel per type", async () => {
    const failed = listen("node_failed");
    const ended = listen("trace_end");
    await using one = create(parse.to(), { name: "one" });
    await using two = create(parse.to(), { name: "two" });
    await one.run().outcome("{");
    await two.run().outcome("{}");
    await Promise.all([one.flush(), two.flush()]);
    expect(failed.map(({ type, flow }) => [type, flow])).toEqual([["node_failed", "one"]]);
    expect(ended.map((event) => [event.flow, event.type === "trace_end" && event.status])).toEqual([
      ["one", "failed"],
      ["two", "completed"],
    ]);
  });

  test("tell of playbooks once, too", async () => {
    const ended = listen("trace_end");
    const inner = create(parse.to(), { name: "inner" });
    const outer = payloadNode("outer", async (text: string, ctx) => ctx.callPlaybook(inner, text));
    await using flow = create(outer.to());
    await flow.run().call("1");
    await flow.flush();
    expect(ended.map((event) => event.flow)).toEqual(["flow/inner", "flow"]);
  });

  test("are asked for when a flow is run: without subscribers nothing is built", async () => {
    await using flow = create(parse.to());
    flow.run();
    const ended = listen("trace_end");
    await flow.call("1");
    await flow.flush();
    expect(ended).toEqual([]);
    expect(flow.stats().observers.middlewares).toEqual([]);
    await flow.stop();
    flow.run();
    expect(flow.stats().observers.middlewares).toHaveLength(1);
    await flow.call("1");
    await flow.flush();
    expect(ended).toHaveLength(1);
  });

  test.for([
    ["no process", undefined],
    ["a process of another kind", { env: {} }],
    ["no such module", { getBuiltinModule: () => undefined }],
  ] as const)("are not there, and not missed, where there is %s", async ([, process]) => {
    listen("trace_end");
    vi.stubGlobal("process", process);
    const { withChannels } = await import("../../src/events/diagnostics-channels.ts");
    expect(withChannels([])).toEqual([]);
  });
});
