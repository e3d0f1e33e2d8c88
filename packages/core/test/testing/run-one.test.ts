import { describe, expect, test } from "vitest";
import { create, joinK, type Message, ModelRegistry, node, payloadNode, shape } from "penguiflow";
import { describeStats, runOne, TestClock } from "penguiflow/testing";
import { z } from "zod";
import { rejection, tidy, within } from "../fixtures/watched-flow.ts";

const echo = payloadNode("echo", (value: number) => value);
const forever = () => new Promise<never>(() => {});
/** Creates a node that returns only when it is aborted. */
const stuck = (name: string, concurrency = 64) =>
  payloadNode({ name, policy: { concurrency } }, (_: number, ctx) => ctx.sleep(1e9).then(() => 1));

describe("runOne", () => {
  test("resolves with the first result as a message and leaves the flow stopped", async () => {
    const flow = create(echo.to());
    const result = await runOne(flow, 5, { traceId: "t", tenant: "acme", meta: { a: 1 } });
    expect(result.payload).toBe(5);
    expect([result.traceId, result.headers.tenant, result.meta]).toEqual(["t", "acme", { a: 1 }]);
    expect(flow.isRunning).toBe(false);
    expect((await runOne(flow, 6)).payload).toBe(6);
  });

  test("uses a flow that runs and leaves it running", async () => {
    const flow = tidy(create(echo.to()).run());
    expect((await runOne(flow, 5)).payload).toBe(5);
    expect(flow.isRunning).toBe(true);
  });

  test("passes registry and resources on", async () => {
    const registry = new ModelRegistry().register("use", z.string().trim(), z.string());
    const use = node("use", (message: Message<string>, ctx) => `${message.payload}${String(ctx.resources)}`);
    const result = await runOne(create(use.to()), " a ", { registry, resources: "!" });
    expect(result.payload).toBe("a!");
  });

  test("rejects with the FlowError of a trace that failed, or ended without a result", async () => {
    const failing = payloadNode("failing", (): number => {
      throw new Error("boom");
    });
    expect(await rejection(runOne(create(failing.to()), 1))).toMatchObject({ code: "NODE_EXCEPTION", node: "failing" });
    const nothing = payloadNode("nothing", () => undefined as number | undefined);
    expect(await rejection(runOne(create(nothing.to()), 1))).toMatchObject({ code: "NO_RESULT" });
  });

  test("leaves the flow stopped also after a failure", async () => {
    const failing = payloadNode("failing", (): number => {
      throw new Error("boom");
    });
    const flow = create(failing.to());
    await rejection(runOne(flow, 1));
    expect(flow.isRunning).toBe(false);
  });
});

describe("runOne on timeout", () => {
  const gaveUp = async (flow: Parameters<typeof runOne<number, unknown, unknown, string>>[0]): Promise<string> => {
    const error = (await within(4_000, rejection(runOne(flow, 1, { timeoutMs: 50 })), "runOne")) as Error;
    return error.message;
  };

  test("says what each node and each edge holds", async () => {
    const burst = payloadNode("burst", async (_: number, ctx) => {
      for (let index = 0; index < 9; index += 1) await ctx.emit(index, { to: "stuck" });
      return 0;
    });
    const text = await gaveUp(create(burst.to(stuck("stuck", 2)), { queueMaxSize: 3 }));
    expect(text).toMatch(/^runOne gave up after 50 ms/);
    expect(text).toMatch(/traces in flight: 1/);
    expect(text).toMatch(/node "burst": .*1 blocked/);
    expect(text).toMatch(/node "stuck": .*queued/);
    expect(text).toMatch(/edge "burst" → "stuck": 3 of 3, 1 waiting/);
    expect(text).not.toContain("OpenSea");
  });

  test("says what a join waits for", async () => {
    const burst = payloadNode("burst", async (_: number, ctx) => {
      await ctx.emit(1, { to: "join" });
      await ctx.sleep(1e9);
      return 1;
    });
    const text = await gaveUp(create(burst.to(joinK("join", 3, { input: shape<number>() }))));
    expect(text).toMatch(/join.*1 of 3/);
  });

  test("says what waits for its next attempt", async () => {
    const flaky = payloadNode(
      { name: "flaky", policy: { maxRetries: 1, backoffBaseMs: 1e9, jitter: 0 } },
      (): number => {
        throw new Error("busy");
      },
    );
    expect(await gaveUp(create(flaky.to()))).toMatch(/flaky/);
  });

  test("gives up in time although a handler ignores its signal", async () => {
    const flow = create(payloadNode("deaf", (_: number) => forever()).to(), { graceMs: 100 });
    expect(await gaveUp(flow)).toMatch(/node "deaf": 1 of 64 running/);
    expect(flow.isRunning).toBe(false);
  });

  test("gives up in time although the flow's own clock stands still", async () => {
    const flow = create(payloadNode("deaf", (_: number) => forever()).to(), { clock: new TestClock() });
    expect(await gaveUp(flow)).toMatch(/node "deaf": 1 of 64 running/);
  });

  test("ends the trace in a flow that was running before, which stays so", async () => {
    const flow = tidy(create(stuck("stuck").to()).run());
    expect(await gaveUp(flow)).toMatch(/stuck/);
    expect(flow.isRunning).toBe(true);
    await new Promise((resolve) => setImmediate(resolve));
    expect(flow.stats().traces).toBe(0);
    await flow.stop();
  });
});

test("describeStats leaves out what holds nothing", () => {
  const flow = tidy(create(echo.to()).run());
  expect(describeStats(flow.stats())).toBe("traces in flight: 0, timers: 0");
});
