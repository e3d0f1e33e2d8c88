import { describe, expect, test } from "vitest";
import { create, DEFAULT_TENANT, FlowError, type Message, node, payloadNode } from "penguiflow";
import { settle, TestClock } from "penguiflow/testing";
import { leftovers, NOTHING, rejection, tidy, within } from "../fixtures/watched-flow.ts";

const codeOf = (error: unknown) => (error instanceof FlowError ? error.code : error);
const payloadOf = (item: unknown) => (item as Message).payload;

/** Creates a flow whose handlers wait until their value is released; each returns its tenant. */
function gated() {
  const waiting = new Map<string, () => void>();
  const gate = node(
    "gate",
    (message: Message<string>, ctx) =>
      new Promise<string | undefined>((resolve, reject) => {
        waiting.set(message.payload, () =>
          resolve(message.payload.startsWith("drop") ? undefined : `${ctx.tenant}:${message.payload}`),
        );
        ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason as Error));
      }),
  );
  const flow = tidy(create(gate.to(), { clock: new TestClock() }).run());
  const open = async (value: string) => {
    await settle();
    waiting.get(value)?.();
    waiting.delete(value);
    await settle();
  };
  return { flow, open };
}

describe("a trace id that two tenants use", () => {
  test("names two traces: each call gets its own", async () => {
    const { flow, open } = gated();
    const [acme, umbrella] = [
      flow.call("a", { traceId: "t", tenant: "acme" }),
      flow.call("u", { traceId: "t", tenant: "umbrella" }),
    ] as const;
    await open("u");
    await open("a");
    expect([await acme, await umbrella]).toEqual(["acme:a", "umbrella:u"]);
  });

  test("has emit join the trace of its own tenant alone", async () => {
    const { flow, open } = gated();
    await flow.emit("a", { traceId: "t", tenant: "acme" });
    await flow.emit("u", { traceId: "t", tenant: "umbrella" });
    expect(flow.stats().accepted).toBe(2);
    await open("a");
    await open("u");
    expect(payloadOf(await flow.fetch({ traceId: "t", tenant: "umbrella" }))).toBe("umbrella:u");
    expect(payloadOf(await flow.fetch({ traceId: "t", tenant: "acme" }))).toBe("acme:a");
  });

  test("is refused without a tenant by cancel, fetch, emitChunk and the trace's signal", async () => {
    const { flow, open } = gated();
    await flow.emit("a", { traceId: "t", tenant: "acme" });
    await flow.emit("u", { traceId: "t" });
    const refused: Promise<unknown>[] = [
      flow.cancel("t"),
      flow.fetch({ traceId: "t" }),
      flow.emitChunk({ traceId: "t", text: "x" }),
      (async () => flow.ensureTraceSignal("t"))(),
      (async () => flow.registerExternalTask("t", { cancel() {} }))(),
    ];
    for (const error of await Promise.all(refused.map((one) => rejection(within(1_000, one))))) {
      expect(codeOf(error)).toBe("TENANT_REQUIRED");
      expect(error).toMatchObject({ traceId: "t" });
      expect(String(error)).not.toContain("acme");
    }
    await open("a");
    await open("u");
    expect(codeOf(await rejection(flow.fetch({ traceId: "t" })))).toBe("TENANT_REQUIRED");
    expect(payloadOf(await flow.fetch({ traceId: "t", tenant: DEFAULT_TENANT }))).toBe(`${DEFAULT_TENANT}:u`);
    expect(payloadOf(await flow.fetch({ traceId: "t" }))).toBe("acme:a");
  });

  test("is cancelled for the tenant that is named, and for no other", async () => {
    const { flow, open } = gated();
    const acme = flow.outcome("a", { traceId: "t", tenant: "acme" });
    const umbrella = flow.outcome("u", { traceId: "t", tenant: "umbrella" });
    await settle();
    expect(await flow.cancel("t", { tenant: "stranger" })).toMatchObject({ found: false });
    expect(await flow.cancel("t", { tenant: "acme" })).toEqual({ found: true, dropped: 0, aborted: 1, zombies: 0 });
    expect((await acme).status).toBe("cancelled");
    await open("u");
    expect(await umbrella).toMatchObject({ status: "completed", tenant: "umbrella", results: ["umbrella:u"] });
  });

  test("has chunks from outside go to the tenant that is named", async () => {
    const { flow, open } = gated();
    const texts = async (tenant: string, value: string) => {
      const seen: string[] = [];
      for await (const item of flow.stream(value, { traceId: "t", tenant }))
        if (item.type === "chunk" && item.chunk.text !== "") seen.push(`${item.chunk.tenant} ${item.chunk.text}`);
      return seen;
    };
    const reading = [texts("acme", "a"), texts("umbrella", "u")];
    await settle();
    await flow.emitChunk({ traceId: "t", tenant: "acme", text: "for acme" });
    await flow.emitChunk({ traceId: "t", tenant: "umbrella", text: "for umbrella" });
    expect(codeOf(await rejection(flow.emitChunk({ traceId: "t", tenant: "stranger", text: "x" })))).toBe(
      "TRACE_UNKNOWN",
    );
    await open("a");
    await open("u");
    expect(await within(1_000, Promise.all(reading))).toEqual([["acme for acme"], ["umbrella for umbrella"]]);
  });

  test("never gives a fetch that began before the second tenant came the second tenant's result", async () => {
    const { flow, open } = gated();
    await flow.emit("a", { traceId: "t", tenant: "acme" });
    const fetching = flow.fetch({ traceId: "t" });
    await flow.emit("u", { traceId: "t", tenant: "umbrella" });
    await open("u");
    await open("a");
    expect(payloadOf(await within(1_000, fetching))).toBe("acme:a");
    expect(payloadOf(await within(1_000, flow.fetch({ traceId: "t" })))).toBe("umbrella:u");
  });

  test("settles a fetch that began before the second tenant came when its own trace ends without a result", async () => {
    const { flow, open } = gated();
    await flow.emit("drop", { traceId: "t", tenant: "acme" });
    const fetching = rejection(flow.fetch({ traceId: "t" }));
    await flow.emit("u", { traceId: "t", tenant: "umbrella" });
    await open("drop");
    expect(codeOf(await within(1_000, fetching))).toBe("NO_RESULT");
    await open("u");
    expect(payloadOf(await within(1_000, flow.fetch({ traceId: "t", tenant: "umbrella" })))).toBe("umbrella:u");
    expect(leftovers(flow.stats())).toEqual(NOTHING);
  });

  test("keeps the diagnosis of each tenant's empty trace for that tenant", async () => {
    const { flow, open } = gated();
    await flow.emit("drop a", { traceId: "t", tenant: "acme" });
    await flow.emit("drop u", { traceId: "t", tenant: "umbrella" });
    await open("drop a");
    await open("drop u");
    expect(codeOf(await rejection(flow.fetch({ traceId: "t" })))).toBe("TENANT_REQUIRED");
    for (const tenant of ["umbrella", "acme"])
      expect(await rejection(flow.fetch({ traceId: "t", tenant }))).toMatchObject({ code: "NO_RESULT", tenant });
    expect(codeOf(await rejection(flow.fetch({ traceId: "t", tenant: "stranger" })))).toBe("TRACE_UNKNOWN");
  });

  test("refuses new work only to the tenant whose trace is still unwinding", async () => {
    const clock = new TestClock();
    const gate = Promise.withResolvers<string>();
    const deaf = payloadNode("deaf", (value: string) => (value === "stuck" ? gate.promise : value));
    const flow = tidy(create(deaf.to(), { clock }).run());
    const stuck = flow.outcome("stuck", { traceId: "t", tenant: "acme" });
    await settle();
    const cancelling = flow.cancel("t", { tenant: "acme" });
    expect((await stuck).status).toBe("cancelled");
    expect(codeOf(await rejection(flow.call("new", { traceId: "t", tenant: "acme" })))).toBe("TRACE_UNWINDING");
    expect(codeOf(await rejection(flow.emit("new", { traceId: "t", tenant: "acme" })))).toBe("TRACE_UNWINDING");
    expect(await flow.call("new", { traceId: "t", tenant: "umbrella" })).toBe("new");
    gate.resolve("late");
    expect(await within(1_000, cancelling)).toEqual({ found: true, dropped: 0, aborted: 1, zombies: 0 });
    expect(await flow.call("new", { traceId: "t", tenant: "acme" })).toBe("new");
    expect(flow.stats().lateResults).toBe(1);
  });
});

describe("many trace ids", () => {
  test("that look alike are told apart", async () => {
    const { flow, open } = gated();
    const middle = (index: number) => `${index}`.padStart(6, "0");
    // the same beginning and the same end, as in ids of one service
    const ids = Array.from({ length: 600 }, (_, index) => `request-${middle(index)}-of-the-one-gateway-we-have`);
    const outcomes = ids.map((traceId, index) => flow.outcome(`v${index}`, { traceId }));
    await settle();
    expect(flow.stats().traces).toBe(600);
    expect(await flow.cancel(ids[123] as string)).toMatchObject({ found: true, dropped: 1 });
    expect(await flow.cancel(`request-${middle(601)}-of-the-one-gateway-we-have`)).toMatchObject({ found: false });
    for (const index of ids.keys()) await open(`v${index}`);
    const statuses = (await Promise.all(outcomes)).map((outcome) => outcome.status);
    expect(statuses.flatMap((status, index) => (status === "cancelled" ? [index] : []))).toEqual([123]);
    expect(statuses.filter((status) => status === "completed")).toHaveLength(599);
  });

  test("and tenants with any name are kept apart", async () => {
    const flow = tidy(create(node("who", (message: Message<number>, ctx) => [ctx.tenant, message.payload]).to()).run());
    const tenants = ["__proto__", "constructor", "a b", "é", "\u0000", "OpenSea", "1"];
    const results = await Promise.all(tenants.map((tenant, index) => flow.call(index, { tenant, traceId: "t" })));
    expect(results).toEqual(tenants.map((tenant, index) => [tenant, index]));
  });
});
