import { describe, expect, test } from "vitest";
import {
  create,
  type Context,
  FlowError,
  joinK,
  MemoryCheckpointStore,
  MemoryMessageBus,
  MemoryStateStore,
  type Message,
  node,
  payloadNode,
  shape,
  Transient,
  transient,
} from "penguiflow";
import { durable, readValue, writeInput, writeValue } from "penguiflow/durable";
import { settle, TestClock } from "penguiflow/testing";
import { passing } from "../fixtures/quiet-flow.ts";
import { logbook, recorder, rejection, tidy, within } from "../fixtures/watched-flow.ts";
import { CutCheckpoints } from "./cut-checkpoint-store.ts";

interface Note {
  readonly id: string;
  readonly text: Transient<string>;
}
const CANARY = "canary-91b7";
const note = (): Note => ({ id: "n1", text: transient(CANARY) });

describe("a transient value", () => {
  test("shows itself to its reader alone", () => {
    const { text } = note();
    expect(text.value).toBe(CANARY);
    expect(JSON.stringify({ id: 1, text, list: [text] })).toBe('{"id":1,"list":[null]}');
    expect(String(text)).toBe("[transient]");
    expect(Object.keys(text)).toEqual([]);
    expect(Object.isFrozen(text)).toBe(true);
    expect(new Transient<string>().value).toBeUndefined();
  });

  test("travels through nodes, joins, retries, fallbacks and playbooks, in a durable flow too", async () => {
    const inner = create(payloadNode("inner", (text: Transient<string>) => text).to());
    const first = payloadNode({ name: "first", policy: { maxRetries: 1, backoffBaseMs: 1 } }, ({ text }: Note, ctx) => {
      if (ctx.attempt === 1) throw new Error("broken");
      return text;
    });
    const second = payloadNode(
      { name: "second", policy: { onFailed: (_, message: Message<Note>) => message.payload.text } },
      (_: Note): Transient<string> => {
        throw new Error("broken");
      },
    );
    const called = payloadNode("called", (text: Transient<string>, ctx) => ctx.callPlaybook(inner, text));
    const join = joinK("join", 2, { input: shape<Transient<string>>() });
    for (const durability of [undefined, durable({ checkpoints: new MemoryCheckpointStore() })]) {
      const source = node("source", (message: Message<Note>) => message);
      const flow = create(source.to(first, second), first.to(called), called.to(join), second.to(join), {
        ...(durability === undefined ? {} : { durability }),
        logger: logbook(),
      });
      flow.run();
      const texts = await within(2_000, flow.call(note()));
      expect(texts.map(({ value }) => value)).toEqual([CANARY, CANARY]);
      await flow.stop();
    }
  });

  test("is in no event, history or log line, nor in the text of an envelope", async () => {
    const seen = recorder();
    const stateStore = new MemoryStateStore();
    const messageBus = new MemoryMessageBus();
    const published: unknown[] = [];
    messageBus.subscribe({ tenant: "default" }, (envelope) => void published.push(envelope));
    const logger = logbook();
    const fails = payloadNode({ name: "fails", output: shape<Note>() }, (given: Note): Note => {
      if (given.id === "n1") throw new FlowError({ code: "NODE_EXCEPTION", message: "broken", details: { given } });
      return given;
    });
    const tells = node("tells", (message: Message<Note>) => message.with({ meta: { text: message.payload.text } }));
    const flow = tidy(
      create(tells.to(fails), { middlewares: [seen.middleware], stateStore, messageBus, logger }).run(),
    );
    await rejection(flow.call(note(), { traceId: "t" }));
    await flow.flush();
    const { events } = await stateStore.loadHistory({ traceId: "t", tenant: "default" });
    expect(events.length).toBeGreaterThan(4);
    expect(JSON.stringify(published)).toContain('"n1"');
    for (const told of [seen.events, published, events, logger.lines])
      expect(JSON.stringify(told)).not.toContain(CANARY);
  });

  test("is lost after a crash: the handler that is called again finds the rest, and loads it", async () => {
    const memory = new MemoryCheckpointStore();
    const cut = new CutCheckpoints(memory);
    const seen: unknown[] = [];
    let works = false;
    const run = (checkpoints: CutCheckpoints | MemoryCheckpointStore) => {
      const embed = node("embed", async (message: Message<Note>, ctx) => {
        const { id, text } = message.payload;
        seen.push([id, text instanceof Transient, text.value, (message.meta["also"] as Transient).value]);
        if (!works) await new Promise<never>((_, reject) => ctx.signal.addEventListener("abort", reject));
        return text.value ?? `loaded ${id}`;
      });
      return create(embed.to(), { durability: durable({ checkpoints }), logger: logbook(), graceMs: 1 }).run();
    };
    const before = run(cut);
    await before.emit(note(), { traceId: "t", meta: { also: transient(CANARY) } });
    await settle();
    cut.cut();
    await before.stop();
    works = true;
    await using after = run(memory);
    expect(((await within(1_000, after.fetch({ traceId: "t" }))) as Message).payload).toBe("loaded n1");
    expect(seen).toEqual([
      ["n1", true, CANARY, CANARY],
      ["n1", true, undefined, undefined],
    ]);
  });

  test("is there after a pause in memory, and lost when its trace has left memory", async () => {
    const clock = new TestClock();
    const asks = payloadNode("asks", async ({ text }: Note, ctx: Context) => {
      await ctx.pause({ reason: "may I?" });
      return text.value ?? "lost";
    });
    const durability = durable({
      checkpoints: new MemoryCheckpointStore({ clock }),
      unloadAfterMs: 1_000,
      leaseMs: 1e9,
    });
    const flow = create(asks.to(), { durability, clock, logger: logbook() }).run();
    const answers: unknown[] = [];
    for (const waitMs of [10, 5_000]) {
      const paused = await flow.outcome(note());
      await clock.advance(waitMs);
      const token = paused.status === "paused" ? (paused.pauses[0]?.token ?? "") : "";
      answers.push((await within(1_000, passing(clock, flow.pauses.resume(token, "yes")))).results[0]);
    }
    expect(answers).toEqual([CANARY, "lost"]);
    await passing(clock, flow.stop());
  });

  test("counts nothing for an id, and nothing else may differ", async () => {
    const flow = tidy(create(payloadNode("read", ({ text }: Note) => text.value).to()).run());
    expect(await flow.call(note(), { id: "i" })).toBe(CANARY);
    expect(await flow.call({ id: "n1", text: transient("other") }, { id: "i" })).toBe(CANARY);
    expect(await rejection(flow.call({ ...note(), id: "n2" }, { id: "i" }))).toHaveProperty("code", "ID_CONFLICT");
  });

  test.each([
    [{ notes: [{ text: transient(CANARY) }] }, "payload.notes[0].text"],
    [new Map([["a", transient(CANARY)]]), "payload[0][1]"],
    [transient(CANARY), "payload"],
  ])("is no input of another process: %o", (value, path) => {
    expect(() => writeInput(value, "payload", 1_000)).toThrow(
      `Cannot send ${path}: it is transient and stays in its process; send a reference`,
    );
    expect(writeValue(value, "payload", 1_000)).not.toContain(CANARY);
    expect(readValue(writeInput({ $transient: true }, "payload", 1_000))).toEqual({ $transient: true });
  });
});
