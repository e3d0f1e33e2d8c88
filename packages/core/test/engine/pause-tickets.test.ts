import { create, MemoryCheckpointStore, type OpenPause, payloadNode, type TraceRecord } from "penguiflow";
import { durable } from "penguiflow/durable";
import { TestClock } from "penguiflow/testing";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { recorder, rejection, tidy } from "../fixtures/watched-flow.ts";

const Answer = z.object({ size: z.number() });
const ask = payloadNode("ask", async (_: string, ctx) => {
  const { size } = await ctx.pause({ reason: "size?", resumeSchema: Answer });
  return size;
});
const SCHEMA = { type: "object", properties: { size: { type: "number" } }, required: ["size"] };

describe("the ticket of a pause", () => {
  test("has an id of its own, in which the secret of its token is missing", async () => {
    const flow = tidy(create(ask.to()).run());
    await Promise.all([flow.outcome("a"), flow.outcome("b")]);
    const tickets = await flow.pauses.list();
    expect(new Set(tickets.map(({ id }) => id)).size).toBe(2);
    for (const { id, token } of tickets) {
      const secret = token.split("_")[3]!;
      const rest = secret.replaceAll("-", "").length - id.split("-")[1]!.length;
      // each digit has four bits, six of which a UUID fixes
      expect(rest * 4 - 6).toBeGreaterThanOrEqual(88);
      expect(await rejection(flow.pauses.resume(id, { size: 1 }))).toMatchObject({ code: "PAUSE_UNKNOWN" });
      await flow.pauses.resume(token, { size: 1 });
    }
  });

  test("has the JSON Schema of the answer where the library gives one, and none elsewhere", async () => {
    const plain = payloadNode("plain", (_: string, ctx) => ctx.pause<string>({ reason: "plain?" }));
    const odd = payloadNode("odd", (_: string, ctx) =>
      ctx.pause({ reason: "odd?", resumeSchema: z.map(z.string(), z.number()) }),
    );
    const flow = tidy(create(ask.to(), plain.to(), odd.to()).run());
    await flow.outcome("x");
    const schemas = Object.fromEntries(
      (await flow.pauses.list()).map(({ node, resumeSchema }) => [node, resumeSchema]),
    );
    expect(schemas).toEqual({ ask: expect.objectContaining(SCHEMA) as object, plain: undefined, odd: undefined });
    await flow.cancel((await flow.pauses.list())[0]!.traceId);
  });

  test("is the same in the process that continues a durable flow, before a handler has asked again", async () => {
    const checkpoints = new MemoryCheckpointStore();
    const build = () => create(ask.to(), { durability: durable({ checkpoints }) });
    const one = build();
    await one.run().outcome("x");
    const [before] = await one.pauses.list();
    await one.stop();
    await using two = build();
    two.run();
    const [after] = await two.pauses.list();
    expect(after).toEqual(before);
    expect(after?.resumeSchema).toMatchObject(SCHEMA);
    expect(await two.pauses.resume(after!.token, { size: 7 })).toMatchObject({ result: 7 });
  });
});

describe("a list of pauses", () => {
  const owners = (pauses: readonly OpenPause[]) => pauses.map(({ tenant, traceId }) => `${tenant}/${traceId}`).sort();

  test("has those of all tenants when it is asked for them, and otherwise those of one", async () => {
    const flow = tidy(create(ask.to()).run());
    await Promise.all(["a", "b"].map((tenant) => flow.outcome("x", { tenant, traceId: `t-${tenant}` })));
    expect(owners(await flow.pauses.list({ allTenants: true }))).toEqual(["a/t-a", "b/t-b"]);
    expect(owners(await flow.pauses.list({ allTenants: true, traceId: "t-b" }))).toEqual(["b/t-b"]);
    expect(owners(await flow.pauses.list({ tenant: "a" }))).toEqual(["a/t-a"]);
    expect(await flow.pauses.list()).toEqual([]);
    await Promise.all(["a", "b"].map((tenant) => flow.cancel(`t-${tenant}`, { tenant })));
  });

  test.for([
    ["a tenant besides", { tenant: "a", allTenants: true }, 'Options "tenant" and "allTenants" of pauses.list exclude'],
    ["no boolean", { allTenants: "yes" as never }, 'Option "allTenants" must be true or false'],
  ] as const)("refuses %s", async ([, options, message]) => {
    const flow = tidy(create(ask.to()).run());
    expect(await rejection(flow.pauses.list(options))).toMatchObject({
      name: "TypeError",
      message: expect.stringContaining(message) as string,
    });
  });
});

describe("the record of an answer", () => {
  test("has what the handler receives: the checked value, or that of an expired pause", async () => {
    const clock = new TestClock();
    const records: TraceRecord[] = [];
    const coerced = payloadNode("coerced", (_: string, ctx) =>
      ctx.pause({ reason: "number?", resumeSchema: z.coerce.number() }),
    );
    const late = payloadNode("late", (_: number, ctx) =>
      ctx.pause<string>({ reason: "late?", expiresAt: clock.epochNow() + 5, ifExpired: "no answer" }),
    );
    const note = (record: TraceRecord) => void records.push(record);
    const flow = tidy(create(coerced.to(late), { clock, recorder: note }).run());
    await flow.outcome("x");
    const [ticket] = await flow.pauses.list();
    await flow.pauses.resume(ticket!.token, "12");
    await clock.advance(10);
    const answered = records.filter((record) => record.type === "answered");
    expect(answered.map(({ node, reason, value, isExpired }) => [node, reason, value, isExpired])).toEqual([
      ["coerced", "number?", 12, undefined],
      ["late", "late?", "no answer", true],
    ]);
  });

  // the gap lies between the end of the check and the handler: a few microtasks
  test.for([0, 1, 2, 3, 4, 5, 6, 7])("is missing when the trace ends %i microtasks after the check", async (gap) => {
    const watch = recorder();
    const records: TraceRecord[] = [];
    const checked = {
      "~standard": {
        version: 1,
        vendor: "test",
        validate: async (value: unknown) => {
          await Promise.resolve();
          void later();
          return { value };
        },
      },
    } as const;
    const later = async () => {
      for (let step = 0; step < gap; step += 1) await Promise.resolve();
      await flow.cancel("t");
    };
    const asking = payloadNode("asking", (_: string, ctx) => ctx.pause({ reason: "x?", resumeSchema: checked }));
    const flow = tidy(
      create(asking.to(payloadNode("rest", (_: unknown, ctx) => ctx.sleep(1_000_000))), {
        middlewares: [watch.middleware],
        recorder: (record) => void records.push(record),
      }).run(),
    );
    await flow.outcome("x", { traceId: "t" });
    const [ticket] = await flow.pauses.list();
    expect(await flow.pauses.resume(ticket!.token, "yes")).toMatchObject({ status: "cancelled" });
    await flow.flush();
    expect(records.at(-1)?.type).toBe("ended");
    const after = watch.types().slice(watch.types().indexOf("trace_end"));
    expect(after).not.toContain("node_resume");
  });
});
