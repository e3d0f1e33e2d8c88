import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import {
  create,
  type Context,
  type FlowError,
  type Message,
  node,
  payloadNode,
  transient,
  type Transient,
} from "penguiflow";
import { durable } from "penguiflow/durable";
import { SqliteCheckpointStore, SqliteStateStore } from "@penguiflow/state-sqlite";
import { expect, test } from "vitest";
import { newFile } from "./fixtures/new-file.ts";

/** Returns whether any file of the folder has the text, as UTF-8, UTF-16 or base64 at any offset. */
function isStored(folder: string, text: string): boolean {
  const forms = [Buffer.from(text), Buffer.from(text, "utf16le")];
  for (const lead of ["", "x", "xx"]) {
    // the characters of base64 at the edges depend on the neighbours
    const coded = Buffer.from(lead + text).toString("base64");
    forms.push(Buffer.from(coded.slice(lead === "" ? 0 : 4, -4)));
  }
  return readdirSync(folder).some((name) => {
    const bytes = readFileSync(path.join(folder, name));
    return forms.some((form) => bytes.includes(form));
  });
}

interface Note {
  readonly id: string;
  readonly text: Transient<string>;
}

test("no byte of a transient value is in the files of the checkpoint store and the state store (M7)", async () => {
  const canary = "canary-5e1f0c7a-transient";
  const marker = "marker-5e1f0c7a-stored";
  const file = newFile("flow.db");
  const folder = path.dirname(file);
  const checkpoints = await SqliteCheckpointStore.open({ file: path.join(folder, "checkpoints.db") });
  const stateStore = await SqliteStateStore.open({ file });
  const hidden = { visible: marker, text: transient(canary) };
  const first = node("first", async (message: Message<Note>, ctx: Context) => {
    await ctx.log.append([hidden]);
    await ctx.once("effect", () => hidden);
    await ctx.emit(message);
    return message.with({ meta: { hidden } });
  });
  const asks = payloadNode({ name: "asks", policy: { maxRetries: 1, backoffBaseMs: 1 } }, async (given: Note, ctx) => {
    if (ctx.attempt === 1) throw new Error(`failed for ${given.id} and ${String(given.text)}`);
    for await (const signal of ctx.signals<typeof hidden>("go")) {
      if (signal.text.value !== canary) throw new Error("the signal was changed");
      break;
    }
    await ctx.pause({ reason: "may I?", payload: hidden });
    return given;
  });
  const fails = payloadNode("fails", (given: Note): Note => {
    if (given.text.value === canary) throw new Error("broken");
    return given;
  });
  const flow = create(first.to(asks), asks.to(fails), {
    name: "notes",
    durability: durable({ checkpoints }),
    stateStore,
    logger: { debug() {}, info() {}, warn() {}, error() {} },
  }).run();
  await flow.emit({ id: marker, text: transient(canary) }, { traceId: "t", meta: { hidden } });
  await flow.signal("t", "go", hidden);
  await flow.signal("t", "go", hidden);
  await expect.poll(() => flow.pauses.list()).toHaveLength(2);
  expect(isStored(folder, marker), "while it waits").toBe(true);
  expect(isStored(folder, canary), "while it waits").toBe(false);
  for (const { token } of await flow.pauses.list()) await flow.pauses.resume(token, hidden).catch(() => {});
  const failure = await flow.fetch({ traceId: "t" }).catch((error: unknown) => error);
  expect((failure as FlowError).message).toContain("broken");
  await flow.outcome({ id: marker, text: transient(canary) }, { id: "kept", timeoutMs: 50 });
  await flow.stop();
  expect(isStored(folder, marker), "after the end").toBe(true);
  expect(isStored(folder, canary), "after the end").toBe(false);
  const { events } = await stateStore.loadHistory({ traceId: "t", tenant: "default" });
  expect(events.length).toBeGreaterThan(5);
  await checkpoints.close();
  await stateStore.close();
  expect(isStored(folder, canary), "after closing").toBe(false);
});
