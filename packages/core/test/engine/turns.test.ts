import { describe, expect, test } from "vitest";
import { create, payloadNode, type Scheduler, WM } from "penguiflow";
import { TestClock } from "penguiflow/testing";
import { range, running } from "../fixtures/quiet-flow.ts";

const spin = (ms: number): void => {
  const until = performance.now() + ms;
  while (performance.now() < until);
};

describe("handlers that never wait", () => {
  test("let timers have their turn, also when each takes long", async () => {
    let fired = 0;
    const interval = setInterval(() => (fired += 1), 1);
    const spinning = payloadNode("spin", (count: number) => {
      spin(4);
      return count;
    });
    await using flow = create(spinning.to()).run();
    await Promise.all(range(100).map((count) => flow.call(count)));
    clearInterval(interval);
    // 400 ms: if the clock were read after every 256th call, there would be none
    expect(fired).toBeGreaterThan(10);
  });

  test("yield after a number of calls where the clock stands still", async () => {
    let turns = 0;
    const scheduler: Scheduler = {
      nextTurn: (task) => {
        turns += 1;
        setImmediate(task);
      },
    };
    const clock = new TestClock();
    const controller = payloadNode("controller", (wm: WM) => (wm.hops < 100_000 ? wm : undefined));
    const flow = running(create(controller.to(controller), { allowCycles: true, clock, scheduler }), clock);
    await flow.outcome(new WM({ query: "how far?", budgetHops: null }));
    expect(turns).toBeGreaterThanOrEqual(5);
    expect(turns).toBeLessThan(100);
  });
});
