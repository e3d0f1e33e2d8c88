import { describe, expect, test } from "vitest";
import {
  type Context,
  create,
  FlowError,
  flowNode,
  LoopbackTransport,
  MemoryCheckpointStore,
  MemoryMessageBus,
  MemoryStateStore,
  Message,
  node,
  payloadNode,
  type Principal,
  remoteNode,
  shape,
} from "penguiflow";
import { durable } from "penguiflow/durable";
import { settle } from "penguiflow/testing";
import { CutCheckpoints } from "../durable/cut-checkpoint-store.ts";
import { logbook, recorder, rejection, tidy, within } from "../fixtures/watched-flow.ts";

const ann: Principal = { user: "ann", scopes: ["read"] };
const ben: Principal = { user: "ben", scopes: [] };
const codeOf = (error: unknown): unknown => (error instanceof FlowError ? error.code : error);

describe("the principal of a trace", () => {
  test("is read by every handler, in playbooks and fallbacks too, as a frozen copy", async () => {
    const seen: unknown[] = [];
    const note = (place: string, ctx: Pick<Context, "principal" | "headers">) =>
      seen.push([place, ctx.principal === ctx.headers.principal, ctx.principal?.user, Object.isFrozen(ctx.principal)]);
    const inner = payloadNode("inner", (text: string, ctx) => {
      note("inner", ctx);
      return text;
    });
    const fails = payloadNode(
      {
        name: "fails",
        policy: {
          onFailed: (_, message: Message<string>, ctx) => {
            note("fallback", ctx);
            return message.payload;
          },
        },
      },
      (_: string, ctx): string => {
        note("fails", ctx);
        throw new Error("broken");
      },
    );
    const first = node("first", (message: Message<string>) => {
      seen.push(message.headers.principal);
      return message.with({ topic: "second" });
    });
    const flow = tidy(create(first.to(fails), fails.to(flowNode("sub", create(inner.to())))).run());
    const given = { user: "ann", scopes: ["read"] };
    const result = flow.outcome("x", { principal: given });
    given.user = "mallory";
    given.scopes.push("write");
    const outcome = await within(1_000, result);
    expect(seen).toEqual([
      ann,
      ["fails", true, "ann", true],
      ["fallback", true, "ann", true],
      ["inner", true, "ann", true],
    ]);
    expect(outcome.messages[0]?.headers).toMatchObject({ tenant: "default", topic: "second", principal: ann });
    expect(Object.isFrozen(outcome.messages[0]?.headers.principal?.scopes)).toBe(true);
    expect(await flow.outcome("x")).not.toHaveProperty("messages.0.headers.principal");
  });

  test("belongs to the trace: no message of a handler has another", async () => {
    const forge = node("forge", (message: Message<string>, ctx) => {
      return new Message({
        payload: message.payload,
        traceId: ctx.traceId,
        headers: { ...message.headers, principal: ben },
      });
    });
    const read = node("read", (message: Message<string>, ctx) => [message.headers.principal, ctx.principal]);
    const flow = tidy(create(forge.to(read)).run());
    expect(await flow.call("x", { principal: ann })).toEqual([ann, ann]);
    expect(await flow.call("x")).toEqual([undefined, undefined]);
  });

  test("is taken from a message, and named anew by an option", async () => {
    const read = payloadNode("read", (_: string, ctx) => ctx.principal?.user);
    const flow = tidy(create(read.to()).run());
    const message = new Message({ payload: "x", headers: { tenant: "acme", principal: ann } });
    expect(await flow.call(message)).toBe("ann");
    expect(await flow.call(message, { topic: "t", traceId: "t" })).toBe("ann");
    expect(await flow.call(message, { principal: ben })).toBe("ben");
  });

  const unusable: [string, unknown, string][] = [
    ["text", "ann", 'Header "principal" must be an object: got "ann"'],
    ["a list", ["ann"], 'Header "principal" must be an object: got an array'],
    ["a date", { since: new Date(0) }, "principal.since is an object of class Date"],
    ["too long", { user: "x".repeat(20_000) }, "principal is more than 16384 characters as JSON"],
  ];
  test.each(unusable)("that is %s is refused", async (_what, principal, problem) => {
    const flow = tidy(create(payloadNode("read", (text: string) => text).to()).run());
    const error = await rejection(flow.call("x", { principal: principal as never }));
    expect(error).toBeInstanceOf(TypeError);
    expect(error).toHaveProperty("message", expect.stringContaining(problem));
    expect(flow.stats().accepted).toBe(0);
  });

  test("is in no event, no stored event and no envelope of the bus", async () => {
    const canary = "canary-7f3a";
    const seen = recorder();
    const stateStore = new MemoryStateStore();
    const bus = new MemoryMessageBus();
    const published: unknown[] = [];
    bus.subscribe({ tenant: "default" }, (envelope) => void published.push(envelope));
    const logger = logbook();
    const read = payloadNode("read", (text: string, ctx) => {
      if (text === "fail") throw new Error("broken");
      return ctx.principal?.user === canary;
    });
    const flow = tidy(
      create(payloadNode("first", (text: string) => text).to(read), {
        middlewares: [seen.middleware],
        stateStore,
        messageBus: bus,
        logger,
      }).run(),
    );
    const principal = { user: canary, scopes: [] };
    expect(await flow.call("x", { traceId: "t", topic: "read", principal })).toBe(true);
    await rejection(flow.call("fail", { traceId: "f", principal }));
    await flow.flush();
    expect(seen.events.length).toBeGreaterThan(4);
    expect(published.length).toBeGreaterThan(1);
    const histories = await Promise.all(
      ["t", "f"].map((traceId) => stateStore.loadHistory({ traceId, tenant: "default", limit: 100 })),
    );
    const stored = histories.flatMap(({ events }) => events);
    expect(stored.length).toBeGreaterThan(4);
    for (const told of [seen.events, published, stored, logger.lines])
      expect(JSON.stringify(told)).not.toContain(canary);
    expect(published[0]).toHaveProperty("headers.topic", "read");
  });

  test("does not change for a message emitted into its open trace: another one's is refused", async () => {
    const seen: unknown[] = [];
    const read = payloadNode("read", async (text: string, ctx) => {
      seen.push([text, ctx.principal?.user]);
      await ctx.sleep(20);
      return text;
    });
    const flow = tidy(create(read.to()).run());
    await flow.emit("1", { traceId: "t", principal: ann });
    await flow.emit("2", { traceId: "t", principal: { scopes: ["read"], user: "ann" } });
    await flow.emit("3", { traceId: "t" });
    const error = await rejection(flow.emit("4", { traceId: "t", principal: ben }));
    expect(error).toMatchObject({ code: "ID_CONFLICT", traceId: "t" });
    expect(() => flow.emitNowait("5", { traceId: "t", principal: ben })).toThrow("it acts for another principal");
    for (const value of ["1", "2", "3"])
      expect(((await within(1_000, flow.fetch({ traceId: "t" }))) as Message).payload).toBe(value);
    expect(seen).toEqual([
      ["1", "ann"],
      ["2", "ann"],
      ["3", "ann"],
    ]);
  });

  test("is part of what an id was accepted with", async () => {
    const read = payloadNode("read", (_: string, ctx) => ctx.principal?.user);
    const flow = tidy(create(read.to()).run());
    expect(await flow.call("x", { id: "i", principal: ann })).toBe("ann");
    expect(await flow.call("x", { id: "i", principal: { ...ann } })).toBe("ann");
    expect(codeOf(await rejection(flow.call("x", { id: "i", principal: ben })))).toBe("ID_CONFLICT");
    expect(codeOf(await rejection(flow.call("x", { id: "i" })))).toBe("ID_CONFLICT");
  });

  test("outlives a crash in a durable flow", async () => {
    const memory = new MemoryCheckpointStore();
    const cut = new CutCheckpoints(memory);
    let works = false;
    const run = (checkpoints: CutCheckpoints | MemoryCheckpointStore) => {
      const slow = payloadNode("slow", async (_: string, ctx) => {
        if (!works) await new Promise<never>(() => {});
        return [ctx.principal, Object.isFrozen(ctx.principal)];
      });
      return create(slow.to(), { durability: durable({ checkpoints }), logger: logbook(), graceMs: 1 }).run();
    };
    const before = run(cut);
    await before.emit("x", { traceId: "t", principal: ann });
    await settle();
    cut.cut();
    await before.stop();
    works = true;
    await using after = run(memory);
    expect(((await within(1_000, after.fetch({ traceId: "t" }))) as Message).payload).toEqual([ann, true]);
  });

  test("stays here when a remote agent is called, unless the node sends it", async () => {
    const seen: unknown[] = [];
    const agent = create(
      payloadNode("read", (text: string, ctx) => {
        seen.push([ctx.tenant, ctx.principal]);
        return text;
      }).to(),
    ).run();
    tidy(agent);
    const transport = new LoopbackTransport({ read: agent });
    const base = {
      transport,
      agentUrl: "loopback://agent",
      skill: "read",
      input: shape<string>(),
      output: shape<string>(),
    };
    const flow = tidy(create(remoteNode("kept", base).to(remoteNode("sent", { ...base, sendsPrincipal: true }))).run());
    expect(await flow.call("x", { tenant: "acme", principal: ann })).toBe("x");
    expect(seen).toEqual([
      ["acme", undefined],
      ["acme", ann],
    ]);
    expect(() => remoteNode("wrong", { ...base, sendsPrincipal: "yes" as never })).toThrow(
      'Option "sendsPrincipal" of remote node "wrong" must be true or false: got "yes"',
    );
  });
});
