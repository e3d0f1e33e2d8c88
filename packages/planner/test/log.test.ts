import type { LanguageModelV4CallOptions, LanguageModelV4StreamPart } from "@ai-sdk/provider";
import { describe, expect, test } from "vitest";
import { MemoryCheckpointStore } from "penguiflow";
import { durable } from "penguiflow/durable";
import { createPlanner, type Planner, type PlanEvent } from "@penguiflow/planner";
import { scriptedModel } from "@penguiflow/planner/testing";
import { all, reads, running, writes } from "./fixtures.ts";
import { WatchedCheckpoints } from "./watched-checkpoints.ts";

const NOTHING = { debug() {}, info() {}, warn() {}, error() {} };

/** Lets others run for so many turns of the event loop. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** Reads what becomes of a run that an earlier process has left, and returns its stored events. */
async function finished(planner: Planner, runId: string): Promise<PlanEvent[]> {
  const items = await planner.flow.recovery.follow(runId).catch(() => undefined);
  if (items !== undefined) await all(items);
  return await all(planner.trajectory(runId, "default"));
}

describe("the log", () => {
  test("case 47: what a step writes does not depend on how many went before", async () => {
    const sizes: number[] = [];
    let size = 0;
    const checkpoints = new WatchedCheckpoints(new MemoryCheckpointStore(), ({ put, logs }) => {
      size += JSON.stringify([put, logs]).length;
    });
    const model = scriptedModel(async ({ index }) => {
      await turns(3);
      sizes.push(size);
      size = 0;
      return index === 100 ? "Done" : { calls: [{ tool: "look", args: { text: "x".repeat(1000) } }] };
    });
    const flow = { durability: durable({ checkpoints }) };
    const planner = running(createPlanner({ name: "p", model, tools: [reads("look")], flow, budget: { steps: 200 } }));
    await planner.run("?", { budget: { steps: 200 } });
    const [ten, hundred] = [average(sizes.slice(5, 15)), average(sizes.slice(90, 100))];
    expect(hundred / ten).toBeLessThan(1.1);
    // arguments and result, of 1 kB each, once
    expect(hundred).toBeLessThan(2.2 * 2000);
  });

  test("cases 30 and 48: cut off at any batch, a run goes on: one end, no gap, no write twice, and what is unknown is said", async () => {
    let cuts = 0;
    /** Writes of runs of which nothing is left. */
    const untouched: unknown[] = [];
    let unknown = 0;
    for (let cut = 0; cut < 400; cut += 1) {
      const [at, side] = [cut >> 1, cut % 2 === 0 ? "before" : "after"];
      const written: unknown[] = [];
      const store = new MemoryCheckpointStore();
      const script = scriptedModel(async ({ prompt }) => {
        await turns(3);
        const results = prompt.filter(({ role }) => role === "tool").length;
        if (results === 4) return "Done";
        return { calls: ["a", "b"].map((text) => ({ tool: "write", args: { text: `${text}${results}` } })) };
      });
      const make = (checkpoints: MemoryCheckpointStore | WatchedCheckpoints) =>
        createPlanner({
          name: "p",
          model: script,
          tools: [writes("write", written)],
          flow: { durability: durable({ checkpoints }), graceMs: 5, logger: NOTHING },
        });
      let batches = 0;
      const before = make(
        new WatchedCheckpoints(store, async (_, append) => {
          if (batches > at) throw new Error("the power is gone");
          if (batches === at && side === "after") await append();
          batches += 1;
          if (batches > at) throw new Error("the power is gone");
        }),
      ).start();
      const end = await before.run("?", { runId: "r" }).catch((error: unknown) => error);
      await before.flow.stop();
      const isWhole = (end as { status?: string }).status === "completed";
      if (!isWhole) cuts += 1;
      const after = make(store).start();
      const events = await finished(after, "r").catch(() => undefined);
      await after.flow.stop();
      expect(new Set(written).size, `cut ${side} batch ${at}`).toBe(written.length);
      // cut off before the run was accepted: nothing is left of it
      if (events === undefined) {
        untouched.push(...written);
        continue;
      }
      expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
      expect(events.filter(({ type }) => type === "end")).toMatchObject([{ end: { status: "completed" } }]);
      const results = events.flatMap((event) => (event.type === "result" ? [event.output.kind] : []));
      unknown += results.filter((kind) => kind === "unknown").length;
      expect(results).toHaveLength(8);
      if (isWhole) break;
    }
    expect(cuts).toBeGreaterThan(10);
    expect(unknown).toBeGreaterThan(0);
    expect(untouched).toEqual([]);
  });

  test("case 49: a reader that leaves cancels the run or not, as it has said", async () => {
    const make = () => {
      const model = scriptedModel([{ calls: [{ tool: "look" }] }, "Done"]);
      return running(createPlanner({ name: "p", model, tools: [reads("look")] }));
    };
    const leave = async (planner: Planner<string, "look">, onLeave: "cancel" | "detach"): Promise<string[]> => {
      for await (const event of planner.stream("?", { runId: "r", onLeave })) if (event.type === "step") break;
      await turns(20);
      return (await all(planner.trajectory("r", "default"))).map(({ type }) => type);
    };
    expect((await leave(make(), "detach")).at(-1)).toBe("end");
    expect((await leave(make(), "cancel")).at(-1)).toBe("end");
  });

  test("an end from outside is the last event of the stream and of the trajectory", async () => {
    const model = scriptedModel([{ calls: [{ tool: "look" }] }, "Done"]);
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    const look = reads("look", async (_, { signal }) => {
      begin();
      await new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(new Error("stopped"))));
    });
    const planner = running(createPlanner({ name: "p", model, tools: [look] }));
    const controller = new AbortController();
    const told = all(planner.stream("?", { runId: "r", signal: controller.signal }));
    await begun;
    controller.abort("enough");
    expect((await told).at(-1)).toMatchObject({
      seq: 3,
      step: 1,
      end: { status: "cancelled", reason: "enough", steps: [{}] },
    });
    expect(await all(planner.trajectory("r", "default"))).toEqual(await told);
  });

  test("case 49: a reader that is slow slows the model's stream", async () => {
    let told = 0;
    const model = scriptedModel(["word ".repeat(1000)]);
    const slow = {
      ...model,
      doStream: async (options: LanguageModelV4CallOptions) => {
        const { stream } = await model.doStream(options);
        const counted = new TransformStream<LanguageModelV4StreamPart, LanguageModelV4StreamPart>({
          transform(part, controller) {
            told += 1;
            controller.enqueue(part);
          },
        });
        return { stream: stream.pipeThrough(counted) };
      },
    };
    const planner = running(createPlanner({ name: "p", model: slow, flow: { streamWindow: 8 } }));
    let texts = 0;
    for await (const event of planner.stream("?")) {
      if (event.type !== "text") continue;
      texts += 1;
      await turns(3);
      expect(told - texts).toBeLessThan(20);
      if (texts === 50) break;
    }
  });

  test("case 51: of two runs at once, each stream has its own events and one last one", async () => {
    const model = scriptedModel(({ prompt }) =>
      prompt.at(-1)?.role === "tool"
        ? "Done"
        : { calls: [{ tool: "look", args: { text: JSON.stringify(prompt.at(-1)) } }] },
    );
    const planner = running(createPlanner({ name: "p", model, tools: [reads("look")] }));
    const [one, two] = await Promise.all([
      all(planner.stream("One", { runId: "1" })),
      all(planner.stream("Two", { runId: "2" })),
    ]);
    for (const [events, own, other, runId] of [
      [one, "One", "Two", "1"],
      [two, "Two", "One", "2"],
    ] as const) {
      expect(JSON.stringify(events)).toContain(own);
      expect(JSON.stringify(events)).not.toContain(other);
      expect(new Set(events.map((event) => event.runId))).toEqual(new Set([runId]));
      expect(events.filter(({ type }) => type === "end")).toEqual([events.at(-1)]);
    }
  });

  test("has an idempotent call before it begins: after a crash its turn is not asked for again", async () => {
    let stored = "";
    const checkpoints = new WatchedCheckpoints(new MemoryCheckpointStore(), async ({ put, logs }) => {
      await turns(3);
      stored += JSON.stringify([put, logs]);
    });
    const [begun, attempts]: [boolean[], number[]] = [[], []];
    const put = reads(
      "put",
      (_, { attempt }) => {
        begun.push(stored.includes("tent"));
        attempts.push(attempt);
        if (attempt === 1) throw new Error("try again");
        return "put";
      },
      { effects: "idempotent", maxRetries: 1 },
    );
    const model = scriptedModel([{ calls: [{ tool: "put", args: { text: "tent" } }] }, "Done"]);
    const flow = { durability: durable({ checkpoints }) };
    const planner = running(createPlanner({ name: "p", model, tools: [put], flow }));
    expect(await planner.run("?")).toMatchObject({ status: "completed", output: "Done" });
    expect([begun, attempts]).toEqual([
      [true, true],
      [1, 2],
    ]);
  });

  test("case 29: events of a planner below come up with its path, and carry the number of the stored one before", async () => {
    const below = scriptedModel([{ calls: [{ tool: "look", args: { text: "x" } }] }, "Seen below"]);
    const sub = createPlanner({ name: "sub", model: below, tools: [reads("look")] });
    const model = scriptedModel([{ calls: [{ tool: "ask", args: { task: "t" } }] }, "Done"]);
    const top = running(createPlanner({ name: "top", model, tools: [sub.tool({ name: "ask", description: "Asks" })] }));
    const events = await all(top.stream("?", { runId: "r" }));
    expect(events.map(({ seq, step, path, type }) => [seq, step, path.join("/"), type])).toEqual([
      [1, 1, "", "step"],
      [2, 1, "", "call"],
      [2, 1, "sub", "step"],
      [2, 1, "sub", "call"],
      [2, 1, "sub", "result"],
      [2, 2, "sub", "text"],
      [2, 2, "sub", "text"],
      [2, 2, "sub", "step"],
      [3, 1, "", "result"],
      [3, 2, "", "text"],
      [4, 2, "", "step"],
      [5, 2, "", "end"],
    ]);
    const stored = await all(top.trajectory("r", "default"));
    expect(stored).toEqual(events.filter(({ path, type }) => path.length === 0 && type !== "text"));
  });
});

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
