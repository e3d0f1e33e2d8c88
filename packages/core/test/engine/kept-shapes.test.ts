import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const runFile = promisify(execFile);
const index = path.join(import.meta.dirname, "../../src/index.ts");

/** Calls a flow until its code is optimised, and collects garbage when no trace is in flight. */
const program = `
  const { create, node } = await import(${JSON.stringify(index)});
  const pass = (name) => node(name, async (message) => message);
  const [a, b, c] = [pass("a"), pass("b"), pass("c")];
  const flow = create(a.to(b), b.to(c));
  flow.run();
  const client = async () => {
    for (let call = 0; call < 2000; call += 1) await flow.call(call);
  };
  await Promise.all(Array.from({ length: 16 }, client));
  gc();
  await flow.stop();`;

/** Returns the functions of the hot path whose optimised code the collection has discarded. */
async function discarded(): Promise<readonly string[]> {
  const { stdout } = await runFile(
    process.execPath,
    ["--expose-gc", "--trace-deopt", "--input-type=module", "--eval", program],
    { maxBuffer: 64 * 1024 * 1024 },
  );
  const names = stdout.matchAll(/SharedFunctionInfo ([\w#]+)>.*embedded weak objects cleared/g);
  return [...names].map(([, name = ""]) => name).filter((name) => hot.has(name));
}

const hot = new Set(["Message", "open", "startAtOnce", "unlink", "leave", "#begin", "#drive", "#startNext", "#answer"]);

test("a full collection while no trace is in flight keeps the optimised code of a hop", async () => {
  expect(await discarded()).toEqual([]);
});
