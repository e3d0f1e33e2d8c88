import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { create, DEFAULT_TENANT, flowNode, Message, type MessageInit, node, payloadNode } from "penguiflow";
import { TestClock } from "penguiflow/testing";
import { rejection, tidy, within } from "../fixtures/watched-flow.ts";

const any = (value: unknown) => value as never;

describe("a message", () => {
  test("made of a payload alone belongs to the default tenant and has an id of its own", () => {
    const [one, two] = [new Message({ payload: 1 }), new Message({ payload: 1 })] as const;
    expect(one.headers).toEqual({ tenant: DEFAULT_TENANT });
    expect(one.meta).toEqual({});
    expect(one.deadlineAt).toBeUndefined();
    expect(one.traceId).not.toBe(two.traceId);
  });

  test("may carry undefined, but only when told so", () => {
    expect(new Message({ payload: undefined }).payload).toBeUndefined();
    expect(() => new Message(any({}))).toThrow("Cannot make a Message without a payload");
    expect(() => new Message(any(undefined))).toThrow(TypeError);
    expect(() => new Message(any("text"))).toThrow(TypeError);
  });

  test.each<[string, Partial<Record<keyof MessageInit<number>, unknown>>]>([
    ["traceId", { traceId: "" }],
    ["traceId", { traceId: 5 }],
    ["deadlineAt", { deadlineAt: Number.NaN }],
    ["deadlineAt", { deadlineAt: "tomorrow" }],
    ["tenant", { headers: { tenant: "" } }],
    ["tenant", { headers: {} }],
    ["headers", { headers: null }],
    ["priority", { headers: { tenant: "acme", priority: 1.5 } }],
    ["priority", { headers: { tenant: "acme", priority: "high" } }],
    ["meta", { meta: 5 }],
    ["meta", { meta: "text" }],
    ["meta", { meta: ["list"] }],
    ["createdAt", { createdAt: Number.NaN }],
  ])("is refused for its %s in %j", (part, init) => {
    expect(() => new Message(any({ payload: 1, ...init }))).toThrow(TypeError);
    expect(() => new Message(any({ payload: 1, ...init }))).toThrow(new RegExp(`"${part}".*got`));
  });

  test("cannot be changed, nor can its headers", () => {
    const message = new Message({ payload: 1, headers: { tenant: "acme", topic: "birds" }, meta: { a: { b: [1] } } });
    expect(() => Object.assign(message, { traceId: "other" })).toThrow(TypeError);
    expect(() => Object.assign(message.headers, { tenant: "other" })).toThrow(TypeError);
    expect(() => Object.assign(message.meta, { a: 1 })).toThrow(TypeError);
    expect(() => (message.meta["a"] as { b: number[] }).b.push(2)).toThrow(TypeError);
  });

  test("does not follow later changes of what it was made from", () => {
    const headers = { tenant: "acme", topic: "birds" };
    const meta = { list: [{ id: 1 }] };
    const message = new Message({ payload: 1, headers, meta });
    headers.tenant = "other";
    (meta.list[0] as { id: number }).id = 2;
    meta.list.push({ id: 3 });
    expect(message.headers.tenant).toBe("acme");
    expect(message.meta).toEqual({ list: [{ id: 1 }] });
    expect(Object.isFrozen(meta)).toBe(false);
  });
});

describe("message.with", () => {
  const message = new Message({
    payload: 1,
    headers: { tenant: "acme", topic: "birds", priority: 3 },
    traceId: "t",
    deadlineAt: 99,
    meta: { a: 1 },
  });

  test("replaces payload, topic and meta and keeps the rest", () => {
    const next = message.with({ payload: "two", topic: "fish", meta: { b: 2 } });
    expect(next).toMatchObject({
      payload: "two",
      headers: { tenant: "acme", topic: "fish", priority: 3 },
      traceId: "t",
      createdAt: message.createdAt,
      deadlineAt: 99,
      meta: { b: 2 },
    });
    expect(message).toMatchObject({ payload: 1, meta: { a: 1 } });
    expect(message.headers.topic).toBe("birds");
  });

  test("can set the payload to undefined and take the topic away", () => {
    expect(message.with({ payload: undefined }).payload).toBeUndefined();
    expect("topic" in message.with({ topic: undefined }).headers).toBe(false);
    expect(message.with({ topic: undefined }).headers.tenant).toBe("acme");
  });

  test("without a change is an equal message", () => {
    expect(message.with({})).toEqual(message);
  });

  test("cannot move a message to another trace, tenant or deadline", () => {
    const moved = message.with(any({ traceId: "x", headers: { tenant: "evil" }, tenant: "evil", deadlineAt: 1 }));
    expect(moved).toEqual(message);
  });

  test("freezes the meta it is given as the constructor does", () => {
    const meta = { deep: { list: [1] } };
    const next = message.with({ meta });
    expect(Object.isFrozen((next.meta["deep"] as { list: number[] }).list)).toBe(true);
    expect(Object.isFrozen(meta.deep.list)).toBe(false);
  });
});

describe("meta", () => {
  const metaOf = (meta: Readonly<Record<string, unknown>>) => new Message({ payload: 0, meta }).meta;

  test("keeps what is in it, whatever JSON can say", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (meta) => {
        const before = JSON.stringify(meta);
        expect(JSON.stringify(metaOf(meta))).toBe(before);
        expect(JSON.stringify(meta)).toBe(before);
      }),
    );
  });

  test("is frozen at any depth, also where the outside was frozen by its owner", () => {
    const isFrozenThroughout = (value: unknown): boolean =>
      typeof value !== "object" ||
      value === null ||
      (Object.isFrozen(value) && Object.values(value).every(isFrozenThroughout));
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (meta) => {
        expect(isFrozenThroughout(metaOf(meta))).toBe(true);
        expect(isFrozenThroughout(metaOf(Object.freeze({ inner: meta })))).toBe(true);
      }),
    );
  });

  test("that is frozen throughout is not copied again", () => {
    const first = metaOf({ a: { b: [1, 2] } });
    expect(metaOf(first)).toBe(first);
  });

  test("that refers to itself is copied with its shape", () => {
    const list: unknown[] = [];
    const meta: Record<string, unknown> = { list };
    meta["self"] = meta;
    list.push(list);
    const copy = metaOf(meta);
    expect(copy).not.toBe(meta);
    expect(copy["self"]).toBe(copy);
    expect((copy["list"] as unknown[])[0]).toBe(copy["list"]);
    expect(Object.isFrozen(copy["list"])).toBe(true);
  });

  test("leaves instances of classes as they are", () => {
    class Session {
      uses = 0;
    }
    const [session, seen, at] = [new Session(), new Map([["a", 1]]), new Date(0)];
    const meta = metaOf({ session, nested: { seen, at } });
    (meta["session"] as Session).uses += 1;
    expect(session.uses).toBe(1);
    expect(meta["nested"]).toEqual({ seen, at });
    expect((meta["nested"] as { seen: unknown }).seen).toBe(seen);
  });

  test("keeps a key named __proto__ as a key and changes no prototype", () => {
    const meta = metaOf(JSON.parse('{"__proto__":{"polluted":true},"a":1}') as Record<string, unknown>);
    expect(Object.keys(meta).sort()).toEqual(["__proto__", "a"]);
    expect((meta as { polluted?: boolean }).polluted).toBeUndefined();
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
});

describe("the envelope is sealed", () => {
  const envelopeOf = (message: Message) => ({
    traceId: message.traceId,
    tenant: message.headers.tenant,
    priority: message.headers.priority,
    deadlineAt: message.deadlineAt,
  });
  const clock = new TestClock();
  const deadlineAt = clock.epochNow() + 1_000;
  const own = { traceId: "mine", tenant: "acme", priority: 2, deadlineAt };
  const foreign = (payload: unknown) =>
    new Message({
      payload,
      headers: { tenant: "evil", topic: "stolen", priority: 9 },
      traceId: "other",
      deadlineAt: deadlineAt + 1_000_000,
      meta: { kept: true },
    });

  test("against a handler that returns a message of another trace, tenant, priority and deadline", async () => {
    const seen: Message[] = [];
    const forge = node("forge", (message: Message<number>) => foreign(message.payload));
    const next = node("next", (message: Message) => {
      seen.push(message);
      return message;
    });
    const flow = tidy(create(forge.to(next), { clock }).run());
    const outcome = await flow.outcome(5, own);
    expect(outcome).toMatchObject({ status: "completed", traceId: "mine", tenant: "acme", results: [5] });
    for (const message of [...seen, ...outcome.messages]) {
      expect(envelopeOf(message)).toEqual(own);
      expect(message.headers.topic).toBe("stolen");
      expect(message.meta).toEqual({ kept: true });
    }
  });

  test("against one that emits such a message, waiting or not, with or without retries", async () => {
    for (const maxRetries of [0, 2]) {
      const forge = node({ name: "forge", policy: { maxRetries } }, async (_message: Message<number>, ctx) => {
        await ctx.emit(foreign("emitted"));
        ctx.emitNowait(foreign("at once"));
        await ctx.emit(foreign("to"), { to: "next" });
      });
      const next = node("next", (message: Message) => message);
      const flow = tidy(create(forge.to(next), { clock }).run());
      const outcome = await flow.outcome(5, own);
      expect(outcome.results).toEqual(["emitted", "at once", "to"]);
      expect(outcome.messages.map(envelopeOf)).toEqual([own, own, own]);
    }
  });

  test("against one that gives away a message it kept from an earlier trace", async () => {
    let kept: Message<string> | undefined;
    const keeper = node("keeper", (message: Message<string>) => (kept ??= message));
    const flow = tidy(create(keeper.to()).run());
    await flow.call("first", { tenant: "acme", traceId: "one" });
    const outcome = await flow.outcome("second", { tenant: "umbrella", traceId: "two" });
    expect(outcome.messages.map(envelopeOf)).toMatchObject([{ traceId: "two", tenant: "umbrella" }]);
  });

  test("against one whose message goes to a playbook", async () => {
    const seen: ReturnType<typeof envelopeOf>[] = [];
    const inner = create(node("inner", (message: Message) => void seen.push(envelopeOf(message))).to());
    const outer = node("outer", async (_message: Message<number>, ctx) => {
      await ctx.callPlaybook(inner, foreign(1)).catch(() => {});
      return 1;
    });
    const flow = tidy(create(outer.to(), { clock }).run());
    await flow.call(5, own);
    expect(seen).toEqual([own]);
  });

  test("against a further message from outside that claims another deadline or priority for its trace", async () => {
    const seen: ReturnType<typeof envelopeOf>[] = [];
    const gate = Promise.withResolvers<undefined>();
    const slow = node("slow", async (message: Message<number>) => {
      seen.push(envelopeOf(message));
      await gate.promise;
      return message;
    });
    const flow = tidy(create(slow.to(), { clock }).run());
    await flow.emit(1, own);
    await flow.emit(2, { traceId: "mine", tenant: "acme", priority: 7, deadlineAt: deadlineAt + 5 });
    gate.resolve(undefined);
    const first = await within(1_000, flow.fetch({ traceId: "mine" }));
    const second = await within(1_000, flow.fetch({ traceId: "mine" }));
    expect([first, second].map((message) => envelopeOf(message as Message))).toEqual([own, own]);
    expect(seen).toEqual([own, own]);
  });
});

describe("branches", () => {
  test("never see each other's changes to meta, nor the sender's later ones", async () => {
    const notes = { list: ["start"] };
    const split = node("split", (message: Message<number>) => message.with({ meta: { notes } }));
    const write = (name: string) =>
      node(name, (message: Message<number>) => {
        const own = message.meta["notes"] as { list: string[] };
        expect(() => own.list.push(name)).toThrow(TypeError);
        return message.with({ payload: name, meta: { ...message.meta, notes: { list: [...own.list, name] } } });
      });
    const flow = tidy(create(split.to(write("left"), write("right"))).run());
    const outcome = await flow.outcome(1);
    notes.list.push("late");
    expect(outcome.messages.map((message) => message.meta)).toEqual([
      { notes: { list: ["start", "left"] } },
      { notes: { list: ["start", "right"] } },
    ]);
  });

  test("of a bare payload share an immutable meta", async () => {
    const split = payloadNode("split", (value: number) => value);
    const look = (name: string) => node(name, (message: Message<number>) => message.with({ payload: message.meta }));
    const flow = tidy(create(split.to(look("left"), look("right"))).run());
    const meta = { a: { b: 1 } };
    const outcome = await flow.outcome(1, { meta });
    meta.a.b = 2;
    expect(outcome.results).toEqual([{ a: { b: 1 } }, { a: { b: 1 } }]);
  });

  test("meta of the message and of the options are merged, the options winning", async () => {
    const look = node("look", (message: Message) => message.with({ payload: message.meta }));
    const flow = tidy(create(look.to()).run());
    const message = new Message<unknown>({ payload: 1, meta: { a: 1, b: 1 } });
    expect(await flow.call(message, { meta: { b: 2 } })).toEqual({ a: 1, b: 2 });
    expect(message.meta).toEqual({ a: 1, b: 1 });
  });
});

describe("payload nodes and message nodes in a row", () => {
  test("keep trace, tenant, topic, priority, deadline and meta", async () => {
    const clock = new TestClock();
    const seen: unknown[] = [];
    const look = (name: string) =>
      node(name, (message: Message<number>, ctx) => {
        const { traceId, headers, deadlineAt, meta, createdAt } = message;
        seen.push({ traceId, headers, deadlineAt, meta, createdAt });
        expect([ctx.traceId, ctx.headers, ctx.deadlineAt, ctx.tenant]).toEqual([
          traceId,
          headers,
          deadlineAt,
          headers.tenant,
        ]);
        return message.payload;
      });
    const add = (name: string) => payloadNode(name, async (value: number) => value + 1);
    const flow = tidy(
      create(look("first").to(add("a")).to(add("b")).to(add("c")).to(look("last")).to(add("d")), { clock }).run(),
    );
    const outcome = await flow.outcome(0, {
      traceId: "t",
      tenant: "acme",
      topic: "birds",
      priority: 4,
      timeoutMs: 500,
      meta: { a: 1 },
    });
    const envelope = {
      traceId: "t",
      headers: { tenant: "acme", topic: "birds", priority: 4 },
      deadlineAt: clock.epochNow() + 500,
      meta: { a: 1 },
      createdAt: clock.epochNow(),
    };
    expect(seen).toEqual([envelope, envelope]);
    expect(outcome.messages).toMatchObject([{ payload: 4, ...envelope }]);
  });

  test("a payload node finds the message on its context and may return one", async () => {
    const tag = payloadNode("tag", (value: number, ctx) =>
      ctx.message.with({ payload: value * 2, meta: { ...ctx.message.meta, tagged: true } }),
    );
    const flow = tidy(create(tag.to(), {}).run());
    const outcome = await flow.outcome(2, { meta: { a: 1 } });
    expect(outcome.messages).toMatchObject([{ payload: 4, meta: { a: 1, tagged: true } }]);
  });

  test("a handler may be synchronous or not, and returns null, false, 0 and empty text as payloads", async () => {
    for (const value of [null, false, 0, ""]) {
      const flow = tidy(create(payloadNode("give", () => value).to(payloadNode("pass", async (v) => v))).run());
      expect((await flow.outcome(1)).results).toEqual([value]);
    }
  });

  test("a thenable that a handler returns is awaited", async () => {
    class Later {
      // oxlint-disable-next-line unicorn/no-thenable -- query builders return these
      then(resolve: (value: number) => void): void {
        resolve(5);
      }
    }
    const flow = tidy(create(payloadNode("lazy", () => new Later() as unknown as Promise<number>).to()).run());
    expect(await flow.call(1)).toBe(5);
  });

  test("options override the message's envelope and leave the message as it was", async () => {
    const look = node("look", (message: Message<number>) => message.with({ payload: message.headers }));
    const flow = tidy(create(look.to()).run());
    const message = new Message({ payload: 1, headers: { tenant: "acme", topic: "birds", priority: 1 }, traceId: "t" });
    const outcome = await flow.outcome(message, { tenant: "umbrella", priority: 0, traceId: "u" });
    expect(outcome).toMatchObject({ tenant: "umbrella", traceId: "u" });
    expect(outcome.results).toEqual([{ tenant: "umbrella", topic: "birds", priority: 0 }]);
    expect(message).toMatchObject({ traceId: "t", headers: { tenant: "acme", priority: 1 } });
  });

  test("of the message's deadline and timeoutMs the sooner counts", async () => {
    const clock = new TestClock();
    const look = node("look", (message: Message<number>) => message.with({ payload: message.deadlineAt }));
    const flow = tidy(create(look.to(), { clock }).run());
    const now = clock.epochNow();
    const message = new Message({ payload: 1, deadlineAt: now + 100 });
    expect(await flow.call(message, { timeoutMs: 50 })).toBe(now + 50);
    expect(await flow.call(message, { timeoutMs: 500 })).toBe(now + 100);
    expect(await flow.call(message, { deadlineAt: now + 700 })).toBe(now + 700);
  });

  test("wrong options of a call name the option, what is wanted and what was given", async () => {
    const flow = tidy(create(payloadNode("a", (value: number) => value).to()).run());
    const wrong: [object, string][] = [
      [{ tenant: "" }, '"tenant" must be a non-empty string: got ""'],
      [{ priority: 0.5 }, '"priority" must be a whole number: got 0.5'],
      [{ traceId: "" }, '"traceId" of Message must be a non-empty string: got ""'],
      [{ timeoutMs: -1 }, '"timeoutMs" must be a number of 0 or more: got -1'],
      [{ timeoutMs: Number.NaN }, '"timeoutMs" must be a number of 0 or more: got NaN'],
      [{ deadlineAt: Number.NaN }, '"deadlineAt" of Message must be epoch milliseconds: got NaN'],
      [{ tennant: "acme" }, 'Unknown option "tennant"'],
    ];
    for (const [options, text] of wrong) {
      const acts: (() => Promise<unknown>)[] = [
        () => flow.call(1, options),
        () => flow.outcome(1, options),
        () => flow.emit(1, options),
        () => flow.stream(1, options).next(),
        async () => flow.emitNowait(1, options),
      ];
      for (const act of acts) {
        expect(String(await rejection(within(1_000, act(), JSON.stringify(options))))).toContain(text);
      }
    }
    expect(flow.stats().accepted).toBe(0);
  });
});

describe("the final meta of a call", () => {
  type Told = readonly string[];
  const told = ({ meta }: Message): Told => (meta["told"] as Told | undefined) ?? [];
  /** Makes a node that notes its name, and fails on its first attempt if asked to. */
  const notes = (name: string, failures: number) =>
    node({ name, policy: { maxRetries: 1, backoffBaseMs: 1 } }, (message: Message<number>, ctx) => {
      const next = message.with({
        payload: message.payload + 1,
        meta: { ...message.meta, told: [...told(message), name] },
      });
      if (ctx.attempt <= failures) throw new Error("broken");
      return next;
    });

  test("is that of the outcome's first message: once for each node, whatever was retried", async () => {
    const flow = tidy(create(notes("write", 1).to(notes("share", 0))).run());
    const outcome = await flow.outcome(0, { meta: { request: 7 } });
    expect(outcome).toMatchObject({ status: "completed", result: 2 });
    const [message] = outcome.messages;
    expect(message?.payload).toBe(2);
    expect(message?.meta).toEqual({ request: 7, told: ["write", "share"] });
  });

  test("of a trace that fails later has what reached the Rookery before", async () => {
    const fails = payloadNode("fails", async (_: number, ctx): Promise<number> => {
      await ctx.sleep(1);
      throw new Error("broken");
    });
    const source = payloadNode("source", (value: number) => value);
    const flow = tidy(create(source.to(notes("write", 0), fails)).run());
    const outcome = await flow.outcome(0);
    expect(outcome.status).toBe("failed");
    expect(outcome.messages.map(told)).toEqual([["write"]]);
  });

  test("has nothing of a playbook, which hands up a payload: what it tells is part of that", async () => {
    const inner = create(notes("inner", 0).to());
    const flow = tidy(create(notes("outer", 0).to(flowNode("sub", inner))).run());
    const outcome = await flow.outcome(0);
    expect(outcome).toMatchObject({ results: [2], messages: [{ meta: { told: ["outer"] } }] });
  });
});
