import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";

/** Creates one of each kind of object that is made per message, and prints which are frozen. */
const program = `
  const env = process.env;
  const write = process.stdout.write.bind(process.stdout);
  if (env.WITHOUT_PROCESS) delete globalThis.process;
  const { create, Message, node, WM } = await import("penguiflow");
  const events = [];
  const hop = node("hop", async (message, ctx) => {
    await ctx.emitChunk({ text: "a", done: true });
    return message.with({ payload: 2 });
  });
  const flow = create(hop.to(), { middlewares: [(event) => events.push(event)] });
  flow.run();
  const items = [];
  for await (const item of flow.stream(1, { meta: { list: [1] } })) items.push(item);
  await flow.stop();
  const [chunk, result] = items;
  write(JSON.stringify({
    "a message": Object.isFrozen(new Message({ payload: 1 })),
    "a message of the runtime": Object.isFrozen(result.message),
    "a working memory": Object.isFrozen(new WM({ query: "?" })),
    "a chunk": Object.isFrozen(chunk.chunk),
    "an event": events.length > 0 && events.every(Object.isFrozen),
    "meta": Object.isFrozen(result.message.meta.list),
    "headers": Object.isFrozen(result.message.headers),
    "facts": Object.isFrozen(new WM({ query: "?", facts: [1] }).facts),
  }));
`;

async function frozenIn(env: Readonly<Record<string, string>>): Promise<Readonly<Record<string, boolean>>> {
  const flags = ["--conditions=@penguiflow/source", "--input-type=module", "--eval", program];
  const { stdout } = await promisify(execFile)(process.execPath, flags, {
    cwd: import.meta.dirname,
    env: { PATH: process.env["PATH"], ...env },
  });
  return JSON.parse(stdout) as Readonly<Record<string, boolean>>;
}

const copiedOnce = { meta: true, headers: true, facts: true };
const everyMessage = (isFrozen: boolean) => ({
  "a message": isFrozen,
  "a message of the runtime": isFrozen,
  "a working memory": isFrozen,
  "a chunk": isFrozen,
  "an event": isFrozen,
});

describe("what every message brings about", () => {
  test("is frozen in development and tests, so that a stray write throws", async () => {
    expect(await frozenIn({})).toEqual({ ...everyMessage(true), ...copiedOnce });
    expect(await frozenIn({ NODE_ENV: "test" })).toEqual({ ...everyMessage(true), ...copiedOnce });
  });

  test("is not frozen in production; meta, headers and facts are shared by branches and are", async () => {
    expect(await frozenIn({ NODE_ENV: "production" })).toEqual({ ...everyMessage(false), ...copiedOnce });
  });

  test("is frozen where there is no process to ask", async () => {
    const env = { NODE_ENV: "production", WITHOUT_PROCESS: "yes" };
    expect(await frozenIn(env)).toEqual({ ...everyMessage(true), ...copiedOnce });
  });
});
