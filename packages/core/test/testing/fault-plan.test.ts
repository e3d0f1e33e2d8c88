import { create, node, payloadNode, shape } from "penguiflow";
import { assertNodeSequence, faultPlan, type PlannedFault, runOne, scriptedNode, TestClock } from "penguiflow/testing";
import { describe, expect, test } from "vitest";

const retrying = { maxRetries: 2, backoffBaseMs: 10, jitter: 0, timeoutMs: 100 } as const;

function echo(policy = {}) {
  return payloadNode({ name: "echo", policy: { ...retrying, ...policy } }, (text: string) => text);
}

/** Returns the outcome of one message under planned faults, with the virtual milliseconds it took. */
async function outcomeUnder(faults: (node: ReturnType<typeof echo>) => readonly PlannedFault[], policy = {}) {
  const clock = new TestClock();
  const work = echo(policy);
  using plan = faultPlan(faults(work));
  const flow = create(work.to(), { clock, graceMs: 50 });
  flow.run();
  const outcome = flow.outcome("pingu", { traceId: "t" });
  await clock.advance(1_000);
  const stats = flow.stats();
  const stopped = flow.stop();
  await clock.advance(1_000);
  await stopped;
  return { outcome: await outcome, stats, unmet: plan.unmet };
}

describe("a fault plan", () => {
  test("throws at the attempts it names", async () => {
    const { outcome, unmet } = await outcomeUnder((work) => [
      { node: work, type: "throw", error: new Error("busy"), onAttempt: [1, 2] },
    ]);
    expect(outcome).toMatchObject({ status: "completed", result: "pingu", durationMs: 30 });
    expect(unmet).toEqual([]);
  });

  test("throws after the work was done, which is then done again", async () => {
    const done: string[] = [];
    const charge = payloadNode({ name: "charge", policy: { maxRetries: 1, backoffBaseMs: 0 } }, (text: string) => {
      done.push(text);
      return text;
    });
    using plan = faultPlan([{ node: charge, type: "throwAfter", error: new Error("the answer was lost") }]);
    await runOne(create(charge.to()), "pingu");
    expect(done).toEqual(["pingu", "pingu"]);
    expect(plan.unmet).toEqual([]);
  });

  test("delays by milliseconds of the flow's clock", async () => {
    const { outcome } = await outcomeUnder((work) => [{ node: work, type: "slow", byMs: 40 }]);
    expect(outcome).toMatchObject({ status: "completed", durationMs: 40 });
  });

  test("hangs until the attempt is aborted", async () => {
    const { outcome, stats } = await outcomeUnder((work) => [{ node: work, type: "hang" }]);
    expect(outcome).toMatchObject({ status: "completed", durationMs: 110 });
    expect(stats.lateResults).toBe(0);
  });

  test("returns late, and the result is fenced off", async () => {
    const { outcome, stats } = await outcomeUnder((work) => [{ node: work, type: "late" }], { maxRetries: 0 });
    expect(outcome).toMatchObject({ status: "failed", error: { code: "NODE_TIMEOUT" } });
    expect(stats.lateResults).toBe(1);
  });

  test("never returns, and the handler is given up after its grace", async () => {
    const { outcome, stats } = await outcomeUnder((work) => [{ node: work, type: "deaf" }]);
    expect(outcome).toMatchObject({ status: "completed", durationMs: 110 });
    expect(stats.zombies).toBe(1);
  });

  test("returns a value that the output schema refuses", async () => {
    const refusing = {
      "~standard": {
        version: 1,
        vendor: "test",
        validate: (value: unknown) => (typeof value === "string" ? { value } : { issues: [{ message: "no string" }] }),
      },
    } as const;
    const strict = node({ name: "strict", input: shape<string>(), output: refusing }, (message) => message.payload);
    using plan = faultPlan([{ node: strict, type: "return", value: 7 }]);
    await expect(runOne(create(strict.to()), "pingu")).rejects.toMatchObject({ code: "OUTPUT_INVALID" });
    expect(plan.unmet).toEqual([]);
  });

  test("keeps to the trace it names, and says what has not happened", async () => {
    const { outcome, unmet } = await outcomeUnder((work) => [
      { node: work, type: "throw", error: new Error("busy"), traceId: "another" },
    ]);
    expect(outcome).toMatchObject({ status: "completed", durationMs: 0 });
    expect(unmet).toMatchObject([{ type: "throw", traceId: "another" }]);
  });

  test("ends when it is disposed of", async () => {
    const work = echo();
    faultPlan([{ node: work, type: "throw", error: new Error("busy"), onAttempt: [1, 2, 3] }]).restore();
    expect((await runOne(create(work.to()), "pingu")).payload).toBe("pingu");
  });

  test("refuses what it does not know", () => {
    const work = echo();
    expect(() => faultPlan([{ node: work, type: "explode" } as never])).toThrow(
      /Option "type" must be one of .*"hang".*got "explode"/,
    );
    expect(() => faultPlan([{ node: work, type: "slow" } as never])).toThrow(
      /Option "byMs" must be a number of 0 or more/,
    );
    expect(() => faultPlan([{ node: work, type: "hang", byMs: 3 } as never])).toThrow(
      /Unknown option "byMs" of a fault of type "hang"/,
    );
    expect(() => faultPlan([{ node: work, type: "hang", onAttempt: 0 }])).toThrow(
      /Option "onAttempt" must be a whole number of 1 or more: got 0/,
    );
  });
});

describe("a scripted node", () => {
  test("does the steps of its attempts, and repeats the last", async () => {
    const model = scriptedNode(
      { name: "model", input: shape<string>(), output: shape<string>(), policy: { maxRetries: 3, backoffBaseMs: 0 } },
      [
        { type: "throw", error: new Error("overloaded") },
        [
          { type: "chunk", text: "pin" },
          { type: "throw", error: new Error("cut off") },
        ],
        [
          { type: "chunk", text: "pin" },
          { type: "chunk", text: "gu" },
          { type: "return", value: "pingu" },
        ],
      ],
    );
    const flow = create(model.to());
    flow.run();
    const items: unknown[] = [];
    for await (const item of flow.stream("who?"))
      if (item.type === "chunk") items.push(`${item.chunk.text}${item.chunk.done ? "." : ""}`);
      else if (item.type === "result") items.push(item.result);
    expect(items).toEqual(["pin", ".", "pin", "gu", ".", "pingu"]);
    expect(await flow.call("again?")).toBe("pingu");
    await flow.stop();
  });

  test("asks a function for the steps of each trace and attempt", async () => {
    const seen: string[] = [];
    const model = scriptedNode(
      { name: "model", input: shape<string>(), output: shape<string>(), policy: { maxRetries: 1, backoffBaseMs: 0 } },
      ({ traceId, tenant, attempt, payload }) => {
        seen.push(`${tenant} ${traceId} ${attempt} ${payload}`);
        return traceId === "bad" && attempt === 1
          ? { type: "throw", error: new Error("no") }
          : { type: "slow", byMs: 0 };
      },
    );
    expect((await runOne(create(model.to()), "pingu", { traceId: "bad", tenant: "ada" })).payload).toBe("pingu");
    expect(seen).toEqual(["ada bad 1 pingu", "ada bad 2 pingu"]);
  });

  test("emits to the nodes it names", async () => {
    const left = payloadNode("left", (text: string) => `left ${text}`);
    const right = payloadNode("right", (text: string) => `right ${text}`);
    const split = scriptedNode({ name: "split", input: shape<string>(), output: shape<string>() }, [
      [
        { type: "emit", value: "one", to: "right" },
        { type: "return", value: undefined },
      ],
    ]);
    const flow = create(split.to(left, right));
    flow.run();
    expect((await flow.outcome("x")).results).toEqual(["right one"]);
    await flow.stop();
  });

  test("needs a script", () => {
    expect(() => scriptedNode({ name: "model", input: shape<string>(), output: shape<string>() }, [])).toThrow(
      'The script of node "model" must have steps for at least one attempt: got an empty list',
    );
  });
});

describe("a sequence of nodes in partial order", () => {
  test("may have others before, between and after, but no other order", async () => {
    const read = payloadNode("read", (text: string) => text);
    const left = payloadNode("left", (text: string) => text);
    const right = payloadNode("right", (text: string) => text);
    const end = payloadNode("end", (text: string) => text);
    await runOne(create(read.to(left, right), left.to(end)), "x", { traceId: "partial" });
    const mode = "partialOrder" as const;
    assertNodeSequence("partial", ["read", "end"], { mode });
    assertNodeSequence("partial", ["left", "end"], { mode });
    assertNodeSequence("partial", ["read", ["right", "left"]], { mode });
    expect(() => assertNodeSequence("partial", ["end", "left"], { mode })).toThrow(/expected: end → left/);
    expect(() => assertNodeSequence("partial", ["left", "left"], { mode })).toThrow(/ran other nodes/);
    expect(() => assertNodeSequence("partial", ["read", ["left", "missing"]], { mode })).toThrow(/\{left, missing\}/);
  });
});

describe("a fault of a node's name", () => {
  test("occurs at every node of that name, in flows made before and after, until the plan ends", async () => {
    const before = create(echo().to());
    const plan = faultPlan([
      { node: "echo", type: "return", value: "first", traceId: "a" },
      { node: "echo", type: "return", value: "second", traceId: "b" },
      { node: "other", type: "throw", error: new Error("no such node") },
    ]);
    const after = create(echo().to());
    expect((await runOne(before, "pingu", { traceId: "a" })).payload).toBe("first");
    expect((await runOne(after, "pingu", { traceId: "b" })).payload).toBe("second");
    expect(plan.unmet.map(({ node: name }) => name)).toEqual(["other"]);
    plan.restore();
    expect((await runOne(before, "pingu", { traceId: "a" })).payload).toBe("pingu");
  });

  test("must not be empty", () => {
    expect(() => faultPlan([{ node: "", type: "hang" }])).toThrow('Option "node" must be a non-empty string: got ""');
  });
});
