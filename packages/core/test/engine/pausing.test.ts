import { describe, expect, test } from "vitest";
import {
  create,
  FlowError,
  type FlowOptions,
  joinK,
  MemoryCheckpointStore,
  type Message,
  node,
  type Outcome,
  type PauseInit,
  type PauseTicket,
  payloadNode,
  type Schema,
  seededRandom,
  shape,
  WM,
} from "penguiflow";
import { durable } from "penguiflow/durable";
import { settle, TestClock } from "penguiflow/testing";
import { expectEmpty, gate, isPending, passing, range, readAll, running } from "../fixtures/quiet-flow.ts";
import { logbook, recorder, rejection, within } from "../fixtures/watched-flow.ts";

const codeOf = (error: unknown): unknown => (error instanceof FlowError ? error.code : error);
const code = async (promise: PromiseLike<unknown>): Promise<unknown> => codeOf(await rejection(promise));

/** Returns the open pauses of an outcome that must be paused. */
function pausesOf(outcome: Outcome): readonly PauseTicket[] {
  if (outcome.status !== "paused") throw new Error(`${outcome.status}: ${JSON.stringify(outcome)}`);
  return outcome.pauses;
}
const tokensOf = (outcome: Outcome): string[] => pausesOf(outcome).map(({ token }) => token);

/** Creates a schema of numbers above 0. */
const positive = (isAsync: boolean): Schema<unknown, number> => ({
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value) => {
      const result =
        typeof value === "number" && value > 0 ? { value: value * 2 } : { issues: [{ message: "must be above 0" }] };
      return isAsync ? Promise.resolve().then(() => result) : result;
    },
  },
});

const end = payloadNode("end", (value: unknown) => value);
const asking = (name: string, ask: (n: number, ctx: Parameters<Parameters<typeof payloadNode>[1]>[1]) => unknown) =>
  payloadNode(name, async (n: number, ctx) => await ask(n, ctx));

describe("a handler that pauses", () => {
  test("is aborted, and called again from its beginning with the answer", async () => {
    const calls: unknown[] = [];
    const ask = asking("ask", async (n, ctx) => {
      calls.push("called");
      ctx.signal.addEventListener("abort", () => calls.push(codeOf(ctx.signal.reason)));
      return n + (await ctx.pause<number>({ reason: "how many?" }));
    });
    const flow = running(create(ask.to(end)));
    const [token] = tokensOf(await flow.outcome(1)) as [string];
    expect(calls).toEqual(["called", "TRACE_PAUSED"]);
    expect(await flow.pauses.resume(token, 5)).toMatchObject({ status: "completed", result: 6 });
    expect(calls).toEqual(["called", "TRACE_PAUSED", "called"]);
  });

  test("holds no slot: the next message is handled while it waits", async () => {
    const ask = payloadNode({ name: "ask", policy: { concurrency: 1 } }, async (n: number, ctx) =>
      n > 0 ? await ctx.pause({ reason: "wait" }) : n,
    );
    const flow = running(create(ask.to(end)));
    const paused = await Promise.all([flow.outcome(1), flow.outcome(2)]);
    expect(await flow.call(0)).toBe(0);
    expect(flow.stats().nodes[0]).toMatchObject({ running: 0, queued: 0, parked: 0 });
    for (const one of paused) await flow.pauses.resume(tokensOf(one)[0] as string, "done");
  });

  test("in sequence is asked one thing after the other, and given each answer as it was", async () => {
    const ask = asking("ask", async (n, ctx) => {
      const answers = [];
      for (const index of range(n)) answers.push(await ctx.pause({ reason: `question ${index}` }));
      return answers;
    });
    const flow = running(create(ask.to(end)));
    let outcome: Outcome = await flow.outcome(4);
    for (const index of range(4)) {
      expect(pausesOf(outcome)).toMatchObject([{ reason: `question ${index}` }]);
      outcome = await flow.pauses.resume(tokensOf(outcome)[0] as string, `answer ${index}`);
    }
    expect(outcome).toMatchObject({ status: "completed", result: range(4).map((index) => `answer ${index}`) });
  });

  test("for several answers at once waits for all of them, in whatever order they come", async () => {
    const ask = asking("ask", async (n, ctx) =>
      (await Promise.all(range(n).map((index) => ctx.pause<string>({ reason: `${index}` })))).join(""),
    );
    const flow = running(create(ask.to(end)));
    const [a, b, c] = tokensOf(await flow.outcome(3)) as [string, string, string];
    expect(pausesOf(await flow.pauses.resume(b, "B"))).toHaveLength(2);
    expect(pausesOf(await flow.pauses.resume(c, "C"))).toMatchObject([{ token: a }]);
    expect(await flow.pauses.resume(a, "A")).toMatchObject({ result: "ABC" });
  });

  test("for several answers at once is told which does not fit, and the others stay", async () => {
    for (const isAsync of [false, true]) {
      const resumeSchema = positive(isAsync);
      const ask = asking("ask", async (_, ctx) =>
        (await Promise.all([1, 2].map((index) => ctx.pause({ reason: `${index}`, resumeSchema })))).join(),
      );
      const flow = running(create(ask.to(end)));
      const [a, b] = tokensOf(await flow.outcome(1)) as [string, string];
      expect(await code(flow.pauses.resume(a, -1))).toBe("RESUME_INVALID");
      expect(pausesOf(await flow.pauses.resume(a, 1))).toMatchObject([{ token: b }]);
      expect(await code(flow.pauses.resume(b, 0))).toBe("RESUME_INVALID");
      expect(await flow.pauses.list()).toMatchObject([{ token: b }]);
      expect(await flow.pauses.resume(b, 2)).toMatchObject({ result: "2,4" });
    }
  });

  test("and is resumed with both answers in the same turn continues once", async () => {
    let calls = 0;
    const ask = asking("ask", async (_, ctx) => {
      calls += 1;
      return await Promise.all([ctx.pause({ reason: "a" }), ctx.pause({ reason: "b" })]);
    });
    const seen = recorder();
    const flow = running(create(ask.to(end), { middlewares: [seen.middleware] }));
    const tokens = tokensOf(await flow.outcome(1));
    const outcomes = await Promise.all(tokens.map((token, index) => flow.pauses.resume(token, index)));
    expect(outcomes.at(-1)).toMatchObject({ status: "completed", result: [0, 1] });
    expect(seen.of("trace_end")).toHaveLength(1);
    expect(calls).toBeLessThanOrEqual(3);
  });

  test("in a race of pauses continues when all are answered", async () => {
    const ask = asking(
      "ask",
      async (_, ctx) => await Promise.race([ctx.pause({ reason: "a" }), ctx.pause({ reason: "b" })]),
    );
    const flow = running(create(ask.to(end)));
    const [a, b] = tokensOf(await flow.outcome(1)) as [string, string];
    expect(pausesOf(await flow.pauses.resume(b, "B"))).toMatchObject([{ token: a }]);
    expect(await flow.pauses.resume(a, "A")).toMatchObject({ status: "completed", result: "A" });
  });

  test("in several branches, and in several messages of one ordered node, is answered apart", async () => {
    const split = payloadNode("split", async (n: number, ctx) => {
      for (const index of range(n)) await ctx.emit(index);
    });
    const left = asking("left", async (n, ctx) => await ctx.pause({ reason: `left ${n}` }));
    const right = asking("right", async (n, ctx) => await ctx.pause({ reason: `right ${n}` }));
    const all = joinK("all", 6, { input: shape<unknown>() });
    const sorted = payloadNode("sorted", (parts: readonly unknown[]) => parts.map(String).toSorted());
    const flow = running(create(split.to(left, right), left.to(all), right.to(all), all.to(sorted)));
    const pauses = pausesOf(await flow.outcome(3));
    expect(pauses.map(({ reason }) => reason).toSorted()).toEqual(
      ["left", "right"].flatMap((name) => range(3).map((index) => `${name} ${index}`)),
    );
    let last: Outcome | undefined;
    for (const { token, reason } of pauses.toReversed()) last = await flow.pauses.resume(token, `yes ${reason}`);
    expect(last).toMatchObject({ result: pauses.map(({ reason }) => `yes ${reason}`).toSorted() });
  });

  test("in each round of a loop asks anew", async () => {
    const think = node({ name: "think", allowCycle: true }, async (message: Message<WM<number>>, ctx) => {
      const { facts } = message.payload;
      if (facts.length === 3) return message.with({ payload: facts.join() as never });
      const fact = await ctx.pause<number>({ reason: `fact ${facts.length}` });
      return message.payload.with({ facts: [...facts, fact] });
    });
    const flow = running(create(think.to(think)));
    let outcome: Outcome = await flow.outcome(new WM<number>({ query: "q" }));
    for (const index of range(3)) outcome = await flow.pauses.resume(tokensOf(outcome)[0] as string, index * 10);
    expect(outcome).toMatchObject({ status: "completed", result: "0,10,20" });
  });

  test("in a playbook pauses the flow's trace, and the playbook is begun again", async () => {
    let begun = 0;
    const first = payloadNode("first", (n: number) => {
      begun += 1;
      return n;
    });
    const inner = create(
      first.to(asking("inside", async (n, ctx) => n + (await ctx.pause<number>({ reason: "inside" })))),
    );
    const outer = asking("outer", async (n, ctx) => {
      const results = await Promise.all([ctx.callPlaybook(inner, n), ctx.callPlaybook(inner, n + 10)]);
      return [...results, await ctx.pause({ reason: "outside" })];
    });
    const flow = running(create(outer.to(end)));
    const [a, b] = tokensOf(await flow.outcome(1)) as [string, string];
    expect(pausesOf(await flow.pauses.resume(b, 200))).toMatchObject([{ token: a, reason: "inside" }]);
    const last = await flow.pauses.resume(a, 100);
    expect(pausesOf(last)).toMatchObject([{ reason: "outside" }]);
    expect(await flow.pauses.resume(tokensOf(last)[0] as string, "end")).toMatchObject({ result: [101, 211, "end"] });
    expect(begun).toBe(8);
  });

  test("does not send again what it sent before", async () => {
    const ask = asking("ask", async (n, ctx) => {
      await ctx.emit(n);
      await ctx.emit(n + 1);
      const answer = await ctx.pause<number>({ reason: "go on?" });
      await ctx.emit(n + 2);
      return answer;
    });
    const flow = running(create(ask.to(end)));
    const paused = await flow.outcome(1);
    expect(paused.results).toEqual([1, 2]);
    expect(await flow.pauses.resume(tokensOf(paused)[0] as string, 9)).toMatchObject({ results: [1, 2, 3, 9] });
  });

  test("with retries sends what it held back once, and an attempt after the answer still gets it", async () => {
    const ask = payloadNode({ name: "ask", policy: { maxRetries: 2, backoffBaseMs: 0 } }, async (n: number, ctx) => {
      await ctx.emit("before");
      const answer = await ctx.pause<number>({ reason: "go on?" });
      if (ctx.attempt < 3) throw new Error("not yet");
      return n + answer;
    });
    const flow = running(create(ask.to(end)));
    const paused = await flow.outcome(1);
    expect(paused.results).toEqual([]);
    expect(await flow.pauses.resume(tokensOf(paused)[0] as string, 9)).toMatchObject({ results: ["before", 10] });
  });

  test("keeps the messages it has fetched", async () => {
    const split = payloadNode("split", async (n: number, ctx) => {
      await ctx.emit(n);
      await ctx.emit(n + 1);
    });
    const pair = node("pair", async (message: Message<number>, ctx) => {
      const other = (await ctx.fetch()) as Message<number>;
      return message.with({ payload: [message.payload, other.payload, await ctx.pause({ reason: "?" })] as never });
    });
    const flow = running(create(split.to(pair)));
    const paused = await flow.outcome(1);
    expect(await flow.pauses.resume(tokensOf(paused)[0] as string, 0)).toMatchObject({ results: [[1, 2, 0]] });
  });

  test("while a message it sent waits for room is refused", async () => {
    const errors: unknown[] = [];
    const opened = gate();
    const ask = payloadNode("ask", async (n: number, ctx) => {
      const sent = range(4).map(() => ctx.emit(n));
      errors.push(await rejection(ctx.pause({ reason: "?" })));
      opened.open();
      await Promise.all(sent);
    });
    const slow = payloadNode({ name: "slow", policy: { concurrency: 1 } }, async (n: number) => {
      await opened.passed;
      return n;
    });
    const flow = running(create(ask.to(slow), { queueMaxSize: 1 }));
    expect(await flow.outcome(1)).toMatchObject({ status: "completed", results: [1, 1, 1, 1] });
    expect(errors).toMatchObject([
      TypeError('Cannot pause at node "ask" while a message it has sent waits: await its emits first'),
    ]);
  });

  test("and returns at once, without waiting for an answer, has not paused", async () => {
    const ask = payloadNode("ask", (n: number, ctx) => {
      void ctx.pause({ reason: "never mind" });
      return n;
    });
    const flow = running(create(ask.to(end)));
    expect(await flow.outcome(1)).toMatchObject({ status: "completed", result: 1 });
    expect(await flow.pauses.list()).toEqual([]);
  });

  test("without a reason, with wrong options, or when its attempt is over is refused", async () => {
    const errors: unknown[] = [];
    const ask = asking("ask", async (n, ctx) => {
      for (const wrong of [
        undefined,
        {},
        { reason: "" },
        { reason: "x", expires: 1 },
        { reason: "x", expiresAt: NaN },
        { reason: "x", resumeSchema: {} },
        { reason: "x", name: "" },
      ])
        errors.push(((await rejection(ctx.pause(wrong as never))) as Error).constructor.name);
      setTimeout(() => void rejection(ctx.pause({ reason: "late" })).then((error) => errors.push(codeOf(error))), 0);
      return n;
    });
    const flow = running(create(ask.to(end)));
    expect(await flow.call(1)).toBe(1);
    await settle();
    await settle();
    expect(errors).toEqual([
      "TypeError",
      "TypeError",
      "TypeError",
      "TypeError",
      "RangeError",
      "TypeError",
      "TypeError",
      "ATTEMPT_OVER",
    ]);
  });
});

describe("a token", () => {
  const ask = asking("ask", async (_, ctx) => await ctx.pause({ reason: "?" }));

  test("that was never made, was used, or belongs to another tenant is refused, each with its code", async () => {
    const flow = running(create(ask.to(end)));
    const [token] = tokensOf(await flow.outcome(1, { tenant: "acme" })) as [string];
    for (const wrong of ["", "nonsense", `${token}x`.replace("_", "-"), 7 as never, null as never])
      expect(await code(flow.pauses.resume(wrong, 1))).toBe("PAUSE_UNKNOWN");
    expect(await code(flow.pauses.resume(token, 1))).toBe("PAUSE_FOREIGN");
    expect(await code(flow.pauses.resume(token, 1, { tenant: "zeta" }))).toBe("PAUSE_FOREIGN");
    const forged = token.replace(/^pause_[0-9a-z]+_/, "pause_zzzzzz_");
    expect(await code(flow.pauses.resume(forged, 1, { tenant: "acme" }))).toBe("PAUSE_UNKNOWN");
    const guessed = `${token.slice(0, -3)}000`;
    expect(await code(flow.pauses.resume(guessed, 1, { tenant: "acme" }))).toMatch(/PAUSE_U/);
    expect(await flow.pauses.resume(token, 1, { tenant: "acme" })).toMatchObject({ status: "completed" });
    expect(await code(flow.pauses.resume(token, 1, { tenant: "acme" }))).toBe("PAUSE_USED");
    expect(await flow.pauses.list({ tenant: "acme" })).toEqual([]);
  });

  test("that is cut off or altered is refused as such, and not as one that was used", async () => {
    for (const random of [Math.random, seededRandom(3)]) {
      const flow = running(create(ask.to(end), { random }));
      const [token] = tokensOf(await flow.outcome(1)) as [string];
      const cut = range(token.length)
        .slice("pause_".length)
        .map((length) => token.slice(0, length));
      for (const wrong of ["pause_", ...cut, token.slice(0, -1), `${token}0`, `${token}\n`, ` ${token}`.slice(1, -1)])
        expect([wrong, await code(flow.pauses.resume(wrong, 1))]).toEqual([wrong, "PAUSE_MALFORMED"]);
      expect(await rejection(flow.pauses.resume(token.slice(0, 20), 1))).toMatchObject({
        message: "Cannot resume: the token is cut off or altered (20 characters); pass the whole token of the pause",
      });
      expect(await flow.pauses.resume(token, 1)).toMatchObject({ status: "completed" });
    }
  });

  test("that two answer at once takes the first", async () => {
    const flow = running(create(ask.to(end)));
    const [token] = tokensOf(await flow.outcome(1)) as [string];
    const [first, second] = await Promise.allSettled([
      flow.pauses.resume(token, "first"),
      flow.pauses.resume(token, "second"),
    ]);
    expect(first).toMatchObject({ value: { result: "first" } });
    expect(codeOf((second as PromiseRejectedResult).reason)).toBe("PAUSE_USED");
  });

  test("is listed for its tenant and trace alone", async () => {
    const flow = running(create(ask.to(end)));
    const outcomes = await Promise.all([
      flow.outcome(1, { tenant: "a", traceId: "x" }),
      flow.outcome(1, { tenant: "a", traceId: "y" }),
      flow.outcome(1, { tenant: "b", traceId: "x" }),
    ]);
    expect(await flow.pauses.list()).toEqual([]);
    expect((await flow.pauses.list({ tenant: "a" })).map(({ traceId }) => traceId)).toEqual(["x", "y"]);
    expect(await flow.pauses.list({ tenant: "b", traceId: "x" })).toMatchObject([{ token: tokensOf(outcomes[2])[0] }]);
    for (const { traceId, tenant } of outcomes) await flow.cancel(traceId, { tenant });
  });
});

describe("an answer that does not fit", () => {
  test.each([
    ["at once", false],
    ["later", true],
  ])("is refused by a schema that says so %s, and the pause stays open", async (_, isAsync) => {
    const resumeSchema = positive(isAsync);
    const ask = asking("ask", async (_n, ctx) => await ctx.pause({ reason: "how many?", resumeSchema }));
    const flow = running(create(ask.to(end)));
    const [token] = tokensOf(await flow.outcome(1)) as [string];
    for (const wrong of [0, "many", undefined]) {
      expect(await rejection(flow.pauses.resume(token, wrong))).toMatchObject({
        code: "RESUME_INVALID",
        node: "ask",
        details: { issues: [{ message: "must be above 0" }] },
      });
      expect(await flow.pauses.list()).toMatchObject([{ token }]);
    }
    expect(await flow.pauses.resume(token, 4)).toMatchObject({ result: 8 });
  });

  test("leaves the time the pause has as it was", async () => {
    const clock = new TestClock();
    const expiresAt = clock.epochNow() + 1_000;
    const resumeSchema = positive(false);
    const ask = asking("ask", async (_n, ctx) => await ctx.pause({ reason: "how many?", resumeSchema, expiresAt }));
    const flow = running(create(ask.to(end), { clock }), clock);
    const [token] = tokensOf(await flow.outcome(1, { traceId: "t" })) as [string];
    expect(await code(flow.pauses.resume(token, -1))).toBe("RESUME_INVALID");
    const fetched = code(flow.fetch({ traceId: "t" }));
    await clock.advance(1_000);
    expect(await within(2_000, fetched)).toBe("PAUSE_EXPIRED");
  });

  test("that is not data is refused in a durable flow", async () => {
    const ask = asking("ask", async (_n, ctx) => await ctx.pause({ reason: "?" }));
    const flow = create(ask.to(end), {
      durability: durable({ checkpoints: new MemoryCheckpointStore() }),
      logger: logbook(),
    });
    flow.run();
    const [token] = tokensOf(await flow.outcome(1)) as [string];
    expect(await code(flow.pauses.resume(token, () => 1))).toBe("NOT_SERIALISABLE");
    expect(await flow.pauses.resume(token, "fine")).toMatchObject({ result: "fine" });
    await flow.stop();
  });
});

describe("a pause that expires", () => {
  test("is the way to limit one: a race with a timer is never won by the timer", async () => {
    const clock = new TestClock();
    const expiresAt = clock.epochNow() + 2_000;
    const ask = asking("ask", async (_, ctx) =>
      Promise.race([ctx.pause({ reason: "?", expiresAt }), ctx.sleep(1_000).then(() => "late")]),
    );
    const flow = running(create(ask.to(end), { clock }), clock);
    const [token] = tokensOf(await flow.outcome(1, { traceId: "t" })) as [string];
    const ended = rejection(flow.fetch({ traceId: "t" }));
    await clock.advance(1_999);
    expect(await isPending(ended)).toBe(true);
    await clock.advance(1);
    expect(await ended).toMatchObject({ code: "PAUSE_EXPIRED" });
    expect(await code(flow.pauses.resume(token, 1))).toBe("PAUSE_EXPIRED");
  });

  test("fails its trace, and its token is refused from then on", async () => {
    const clock = new TestClock();
    const expiresAt = clock.epochNow() + 1_000;
    const ask = asking("ask", async (_n, ctx) => await ctx.pause({ reason: "approve", expiresAt }));
    const flow = running(create(ask.to(end), { clock }), clock);
    const [token] = tokensOf(await flow.outcome(1, { traceId: "t" })) as [string];
    await settle();
    expect(flow.stats().timers).toBe(1);
    const fetched = rejection(flow.fetch({ traceId: "t" }));
    await clock.advance(999);
    expect(await isPending(fetched)).toBe(true);
    await clock.advance(1);
    expect(await fetched).toMatchObject({ code: "PAUSE_EXPIRED", node: "ask" });
    expect(await code(flow.pauses.resume(token, 1))).toBe("PAUSE_EXPIRED");
    expectEmpty(flow);
  });

  test("gives ifExpired instead of failing, whether a value, null or the result of a function", async () => {
    const given: readonly [PauseInit<unknown>["ifExpired"], unknown][] = [
      ["denied", "denied"],
      [null, null],
      [() => "made", "made"],
      [async () => await Promise.resolve({ isApproved: false }), { isApproved: false }],
      [() => undefined, undefined],
    ];
    for (const [ifExpired, wanted] of given) {
      const clock = new TestClock();
      const seen = recorder();
      const expiresAt = clock.epochNow() + 1_000;
      const ask = asking("ask", async (_, ctx) => [await ctx.pause({ reason: "approve", expiresAt, ifExpired })]);
      const flow = running(create(ask.to(end), { clock, middlewares: [seen.middleware] }), clock);
      const [token] = tokensOf(await flow.outcome(1, { traceId: "t" })) as [string];
      const fetched = flow.fetch({ traceId: "t" });
      await clock.advance(999);
      expect(await isPending(fetched)).toBe(true);
      await clock.advance(1);
      expect(((await within(2_000, fetched)) as Message).payload).toEqual([wanted]);
      expect(await code(flow.pauses.resume(token, "late"))).toBe("PAUSE_EXPIRED");
      expect(seen.of("node_resume")).toMatchObject([{ reason: "approve", isExpired: true }]);
      expectEmpty(flow);
    }
  });

  test("gives the answer, and not ifExpired, when there was one in time", async () => {
    const clock = new TestClock();
    const expiresAt = clock.epochNow() + 1_000;
    const ask = asking("ask", async (_, ctx) => {
      const answer = await ctx.pause({ reason: "approve", expiresAt, ifExpired: () => expect.unreachable() });
      await ctx.sleep(5_000);
      return answer;
    });
    const flow = running(create(ask.to(end), { clock }), clock);
    const [token] = tokensOf(await flow.outcome(1)) as [string];
    const resumed = flow.pauses.resume(token, "yes");
    await clock.advance(5_000);
    expect(await within(2_000, resumed)).toMatchObject({ status: "completed", result: "yes" });
  });

  test("beside one that waits on goes on with the value once that is answered, and its late answer is refused", async () => {
    for (const ifExpired of ["denied", async () => await Promise.resolve("denied")]) {
      const clock = new TestClock();
      const expiresAt = clock.epochNow() + 1_000;
      const ask = asking(
        "ask",
        async (_, ctx) =>
          await Promise.all([ctx.pause({ reason: "a", expiresAt, ifExpired }), ctx.pause<string>({ reason: "b" })]),
      );
      const flow = running(create(ask.to(end), { clock }), clock);
      const [a, b] = tokensOf(await flow.outcome(1)) as [string, string];
      await clock.advance(1_000);
      expect(await flow.pauses.list()).toMatchObject([{ token: b, name: "b" }]);
      expect(await code(flow.pauses.resume(a, "late"))).toBe("PAUSE_EXPIRED");
      expect(await flow.pauses.resume(b, "yes")).toMatchObject({ status: "completed", result: ["denied", "yes"] });
    }
  });

  test("and whose ifExpired throws fails as its handler does, and one that catches that is not left hanging", async () => {
    const clock = new TestClock();
    const expiresAt = clock.epochNow() + 1_000;
    const ifExpired = (): never => {
      throw new Error("no default");
    };
    const ask = asking("ask", async (n, ctx) => {
      const expiring = ctx.pause<string>({ reason: "a", expiresAt, ifExpired });
      if (n === 1) return await expiring;
      return await Promise.all([rejection(expiring), ctx.pause<string>({ reason: "b" })]);
    });
    const flow = running(create(ask.to(end), { clock }), clock);
    await flow.outcome(1, { traceId: "t" });
    const failed = rejection(flow.fetch({ traceId: "t" }));
    const [, b] = tokensOf(await flow.outcome(2)) as [string, string];
    await clock.advance(1_000);
    expect(await within(2_000, failed)).toMatchObject({ code: "NODE_EXCEPTION", cause: { message: "no default" } });
    expect(await within(2_000, flow.pauses.resume(b, "yes"))).toMatchObject({
      result: [{ message: "no default" }, "yes"],
    });
  });

  test("takes ifExpired only together with expiresAt", async () => {
    const ask = asking("ask", async (_, ctx) => await ctx.pause({ reason: "?", ifExpired: 1 }));
    const flow = running(create(ask.to(end)));
    const { message } = (await rejection(flow.call(1))) as FlowError;
    expect(message).toContain('Option "ifExpired" of pause needs "expiresAt"');
  });

  test("does not expire once it is answered, however long the handler takes to ask again", async () => {
    const clock = new TestClock();
    const expiresAt = clock.epochNow() + 1_000;
    const ask = asking("ask", async (_n, ctx) => {
      await ctx.sleep(600);
      return await ctx.pause({ reason: "approve", expiresAt });
    });
    const flow = running(create(ask.to(end), { clock }), clock);
    const outcome = flow.outcome(1);
    await clock.advance(600);
    const [token] = tokensOf(await outcome) as [string];
    await clock.advance(300);
    const resumed = flow.pauses.resume(token, "in time");
    await clock.advance(600);
    expect(await within(2_000, resumed)).toMatchObject({ status: "completed", result: "in time" });
  });
});

describe("while a trace is paused", () => {
  const ask = asking("ask", async (_, ctx) => await ctx.pause({ reason: "?" }));

  test("cancel ends it, and its token with it", async () => {
    const flow = running(create(ask.to(end)));
    const [token] = tokensOf(await flow.outcome(1, { traceId: "t" })) as [string];
    expect(await flow.cancel("t")).toMatchObject({ found: true, dropped: 1 });
    expect(await code(flow.pauses.resume(token, 1))).toBe("PAUSE_USED");
    expect(flow.stats().outcomes).toMatchObject({ cancelled: 1 });
    expectEmpty(flow);
  });

  test("its deadline continues", async () => {
    const clock = new TestClock();
    const flow = running(create(ask.to(end), { clock }), clock);
    await flow.outcome(1, { traceId: "t", timeoutMs: 500 });
    const fetched = code(flow.fetch({ traceId: "t" }));
    await clock.advance(500);
    expect(await fetched).toBe("DEADLINE_EXCEEDED");
  });

  test("call, outcome and stream say so, and what comes later is fetched", async () => {
    const flow = running(create(ask.to(end)));
    const error = (await rejection(flow.call(1, { traceId: "c" }))) as FlowError;
    expect(error).toMatchObject({ code: "TRACE_PAUSED", details: { pauses: [{ reason: "?" }] } });
    expect(await code(readAll(flow.stream(1, { traceId: "s" })))).toBe("TRACE_PAUSED");
    await flow.emit(1, { traceId: "e" });
    const fetched = ["c", "s", "e"].map((traceId) => flow.fetch({ traceId }));
    for (const { token, traceId } of await flow.pauses.list()) void flow.pauses.resume(token, `done ${traceId}`);
    expect(((await Promise.all(fetched)) as Message[]).map(({ payload }) => payload)).toEqual([
      "done c",
      "done s",
      "done e",
    ]);
  });

  test("other branches continue, and its outcome is paused when nothing else is left to do", async () => {
    const opened = gate();
    const slow = payloadNode("slow", async (n: number) => {
      await opened.passed;
      return n;
    });
    const split = payloadNode("split", (n: number) => n);
    const flow = running(create(split.to(ask, slow), ask.to(end)));
    const outcome = flow.outcome(1);
    expect(await isPending(outcome)).toBe(true);
    opened.open();
    const paused = await outcome;
    expect(paused.results).toEqual([1]);
    expect(await flow.pauses.resume(tokensOf(paused)[0] as string, 2)).toMatchObject({ results: [1, 2] });
  });

  test("stop without draining ends it; resume is refused or told so, and nothing hangs", async () => {
    const flow = running(create(ask.to(end)));
    const [token] = tokensOf(await flow.outcome(1)) as [string];
    const stop = flow.stop();
    const resumed = await Promise.allSettled([flow.pauses.resume(token, 1)]);
    await within(2_000, stop);
    expect(resumed[0]).toMatchObject({
      status: "rejected",
      reason: { code: /PAUSE_USED|FLOW_NOT_RUNNING|FLOW_STOPPED/ as never },
    });
  });

  test("a message emitted into it is handled; draining waits for that, and not for the answer", async () => {
    const opened = gate();
    const maybe = asking("maybe", async (n, ctx) => {
      if (n === 0) return await ctx.pause({ reason: "?" });
      await opened.passed;
      return n;
    });
    const flow = running(create(maybe.to(end)));
    await flow.emit(0, { traceId: "t" });
    await settle();
    await flow.emit(1, { traceId: "t" });
    const fetched = flow.fetch({ traceId: "t" });
    const stop = flow.stop({ drainMs: 60_000 });
    expect(await isPending(stop)).toBe(true);
    opened.open();
    expect(((await within(4_000, fetched)) as Message).payload).toBe(1);
    expect(await within(4_000, stop)).toMatchObject({ cancelled: 1 });
  });

  test("a join of its trace that cannot be completed yet waits with it", async () => {
    const split = payloadNode("split", (n: number) => n);
    const both = joinK("both", 2, { input: shape<unknown>() });
    const flow = running(create(split.to(ask, both), ask.to(both), both.to(end)));
    const paused = await flow.outcome(1);
    expect(await flow.pauses.resume(tokensOf(paused)[0] as string, 2)).toMatchObject({ result: [1, 2] });
  });
});

describe("in another process", () => {
  const make = (checkpoints: MemoryCheckpointStore, options: FlowOptions = {}) => {
    const first = payloadNode(
      "first",
      async (n: number, ctx) => n + (await ctx.pause<number>({ reason: "first", payload: { n } })),
    );
    const second = asking("second", async (n, ctx) => {
      await ctx.emit(n);
      const [a, b] = await Promise.all([
        ctx.pause<number>({ reason: "a" }),
        ctx.pause<number>({ reason: "b", resumeSchema: positive(true) }),
      ]);
      return a * 100 + b;
    });
    const flow = create(first.to(second), { durability: durable({ checkpoints }), logger: logbook(), ...options });
    flow.run();
    return flow;
  };

  test("each pause is answered apart, one process for each answer", async () => {
    const checkpoints = new MemoryCheckpointStore();
    const begun = make(checkpoints);
    const [token] = tokensOf(await begun.outcome(1, { traceId: "t" })) as [string];
    await begun.stop();
    let flow = make(checkpoints);
    expect(await flow.pauses.list()).toMatchObject([{ token, traceId: "t", reason: "first", payload: { n: 1 } }]);
    const [a, b] = tokensOf(await flow.pauses.resume(token, 4)) as [string, string];
    await flow.stop();
    flow = make(checkpoints);
    expect(await code(flow.pauses.resume(token, 4))).toBe("PAUSE_USED");
    expect(pausesOf(await flow.pauses.resume(a, 3))).toMatchObject([{ token: b }]);
    await flow.stop();
    flow = make(checkpoints);
    expect(await code(flow.pauses.resume(b, -1))).toBe("RESUME_INVALID");
    await flow.stop();
    flow = make(checkpoints);
    expect(await flow.pauses.resume(b, 8)).toMatchObject({ status: "completed", results: [5, 316] });
    expect(await flow.recovery.unfinished()).toEqual([]);
    await flow.stop();
  });

  test("a pause that expired meanwhile continues there at once, with the value of the release that runs", async () => {
    const clock = new TestClock();
    const checkpoints = new MemoryCheckpointStore({ clock });
    const expiresAt = clock.epochNow() + 1_000;
    const build = (ifExpired: string | undefined) => {
      const ask = asking("ask", async (_n, ctx) => {
        const answer = await ctx.pause({ reason: "approve", expiresAt, ifExpired });
        await ctx.sleep(500);
        return answer;
      });
      return create(ask.to(end), { durability: durable({ checkpoints }), logger: logbook(), clock }).run();
    };
    const before = build("denied");
    const [token] = tokensOf(await passing(clock, before.outcome(1, { traceId: "t" }), 1)) as [string];
    await passing(clock, before.stop(), 1);
    await clock.advance(2_000);
    // stopped while the handler works with the value, which must not be asked for again
    const between = build("refused");
    await passing(clock, between.ready(), 1);
    await clock.advance(100);
    expect(await between.pauses.list()).toEqual([]);
    expect(await code(between.pauses.resume(token, "late"))).toBe("PAUSE_EXPIRED");
    await passing(clock, between.stop(), 1);
    const after = build("rejected");
    const fetched = (await passing(clock, after.fetch({ traceId: "t" }), 100)) as Message;
    expect(fetched.payload).toBe("rejected");
    await passing(clock, after.stop(), 1);
  });

  test("a pause that expired meanwhile fails its trace when the release that runs has no ifExpired any more", async () => {
    const clock = new TestClock();
    const checkpoints = new MemoryCheckpointStore({ clock });
    const expiresAt = clock.epochNow() + 1_000;
    const build = (ifExpired: string | undefined) => {
      const ask = asking("ask", async (_n, ctx) => await ctx.pause({ reason: "approve", expiresAt, ifExpired }));
      return create(ask.to(end), { durability: durable({ checkpoints }), logger: logbook(), clock }).run();
    };
    const before = build("denied");
    await passing(clock, before.outcome(1, { traceId: "t" }), 1);
    await passing(clock, before.stop(), 1);
    await clock.advance(2_000);
    const after = build(undefined);
    await passing(clock, after.ready(), 1);
    await clock.advance(1);
    expect(await after.recovery.unfinished()).toMatchObject([{ status: "failed", error: { code: "PAUSE_EXPIRED" } }]);
    await passing(clock, after.stop(), 1);
  });

  test("a pause that expired meanwhile fails its trace there", async () => {
    const clock = new TestClock();
    const checkpoints = new MemoryCheckpointStore({ clock });
    const expiresAt = clock.epochNow() + 1_000;
    const build = () => {
      const ask = asking("ask", async (_n, ctx) => await ctx.pause({ reason: "approve", expiresAt }));
      return create(ask.to(end), { durability: durable({ checkpoints }), logger: logbook(), clock }).run();
    };
    const before = build();
    const [token] = tokensOf(await passing(clock, before.outcome(1, { traceId: "t" }), 1)) as [string];
    await passing(clock, before.stop(), 1);
    await clock.advance(2_000);
    const after = build();
    await passing(clock, after.ready(), 1);
    await clock.advance(1);
    expect(await code(after.pauses.resume(token, 1))).toBe("PAUSE_EXPIRED");
    expect(await after.recovery.unfinished()).toMatchObject([{ traceId: "t", status: "failed" }]);
    await passing(clock, after.stop(), 1);
  });
});

test("ten thousand paused traces hold nothing when they are gone", { timeout: 60_000 }, async () => {
  const ask = asking("ask", async (_, ctx) => await ctx.pause({ reason: "?" }));
  const flow = running(create(ask.to(end)));
  const outcomes = await Promise.all(range(10_000).map((index) => flow.outcome(index)));
  await settle();
  expect(flow.stats()).toMatchObject({ traces: 10_000, timers: 0 });
  const ends = await Promise.all(
    outcomes.map((outcome, index) => flow.pauses.resume(tokensOf(outcome)[0] as string, index)),
  );
  expect(ends.every(({ status }) => status === "completed")).toBe(true);
  expect(await flow.pauses.list()).toEqual([]);
  expectEmpty(flow);
});
