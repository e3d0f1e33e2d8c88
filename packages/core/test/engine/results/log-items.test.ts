import { describe, expect, test } from "vitest";
import { create, MemoryCheckpointStore, payloadNode } from "penguiflow";
import { durable } from "penguiflow/durable";
import { rejection } from "../../fixtures/watched-flow.ts";
import { running } from "../../fixtures/quiet-flow.ts";

const first = payloadNode("first", async (text: string, ctx) => {
  await ctx.log.append([text, "a"]);
  await ctx.log.append(["b"]);
  return text;
});
const last = payloadNode("last", async (text: string, ctx) => {
  await ctx.log.append(["c"]);
  if (text === "fails") throw new Error("no");
  return text;
});

/** Reads the log items of a stream: positions, items, paths. */
async function logged(items: AsyncIterable<{ type: string }>): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const item of items) if (item.type === "log") found.push(item);
  return found;
}

describe("a stream with its log", () => {
  test("yields the items of each attempt when it has committed, with their positions", async () => {
    const flow = running(create(first.to(last)));
    expect(await logged(flow.stream("hi", { log: true }))).toEqual([
      { type: "log", at: 0, items: ["hi", "a"], path: [] },
      { type: "log", at: 2, items: ["b"], path: [] },
      { type: "log", at: 3, items: ["c"], path: [] },
    ]);
    expect(await logged(flow.stream("hi"))).toEqual([]);
  });

  test("yields nothing of an attempt that fails", async () => {
    const flow = running(create(first.to(last)));
    const items: unknown[] = [];
    const failure = await rejection(
      (async () => {
        for await (const item of flow.stream("fails", { log: true })) items.push(item.type);
      })(),
    );
    expect([failure, items]).toMatchObject([{ code: "NODE_EXCEPTION" }, ["log", "log"]]);
  });

  test("yields the items of playbooks with their path", async () => {
    const inner = create(first.to(last), { name: "inner" });
    const outer = create(payloadNode("outer", async (text: string, ctx) => await ctx.callPlaybook(inner, text)).to(), {
      name: "outer",
    });
    expect(await logged(running(outer).stream("hi", { log: true }))).toMatchObject([
      { at: 0, path: ["inner"] },
      { at: 2, path: ["inner"] },
      { at: 3, path: ["inner"] },
    ]);
  });

  test("goes on from an answer, in a durable flow once the items are stored", async () => {
    const ask = payloadNode("ask", async (text: string, ctx) => {
      await ctx.log.append([text]);
      const answer = await ctx.pause<string>({ reason: "sure?" });
      await ctx.log.append([answer]);
      return answer;
    });
    const durability = durable({ checkpoints: new MemoryCheckpointStore() });
    await using flow = create(first.to(ask), { durability, graceMs: 5 }).run();
    const outcome = await flow.outcome("hi", { traceId: "t" });
    const token = outcome.status === "paused" ? (outcome.pauses[0]?.token ?? "") : "";
    expect(await logged(flow.pauses.resumeStream(token, "yes", { log: true }))).toEqual([
      { type: "log", at: 3, items: ["hi"], path: [] },
      { type: "log", at: 4, items: ["yes"], path: [] },
    ]);
  });
});
