import { spawn } from "node:child_process";
import path from "node:path";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { Scratch } from "./scratch.ts";

const BIN = path.resolve(import.meta.dirname, "../src/bin.ts");

/** Starts the program as a shell does. */
function start(cwd: string, ...args: string[]) {
  const child = spawn(process.execPath, ["--conditions=@penguiflow/source", BIN, ...args], {
    cwd,
    env: { PATH: process.env["PATH"] },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = once(child, "close") as Promise<[number | null]>;
  return { child, ended };
}

const WAITS = `
  import { create, payloadNode } from "penguiflow";
  const wait = payloadNode("wait", async (_: string, ctx) => {
    await ctx.emitChunk({ text: "begun" });
    await ctx.sleep(600_000);
  });
  export const flow = create(wait.to(), { name: "wait" });
  setInterval(() => {}, 1_000);`;

test("Ctrl-C cancels the run, and the process ends with 130 though user code keeps it alive", async () => {
  using project = new Scratch({ "src/flows.ts": WAITS });
  const { child, ended } = start(project.folder, "run", "x");
  await once(child.stdout, "data");
  child.kill("SIGINT");
  expect((await ended)[0]).toBe(130);
});

test("SIGTERM ends it with 143", async () => {
  using project = new Scratch({ "src/flows.ts": WAITS });
  const { child, ended } = start(project.folder, "run", "x");
  await once(child.stdout, "data");
  child.kill("SIGTERM");
  expect((await ended)[0]).toBe(143);
});

test("a reader that leaves early is no error, and pipes get no escape codes", async () => {
  using project = new Scratch();
  const { child, ended } = start(project.folder, "help");
  child.stdout.destroy();
  const said = await text(child.stderr);
  expect([(await ended)[0], said]).toEqual([0, ""]);
  const other = start(project.folder, "check");
  const [printed, complaint] = await Promise.all([text(other.child.stdout), text(other.child.stderr)]);
  expect(printed + complaint).not.toContain("\u001b");
  expect((await other.ended)[0]).toBe(4);
});

test.for([
  ["enum Colour {\n  RED,\n}", /> 2 \| export enum Colour/, /erasableSyntaxOnly/],
  ['import { a } from "./other";\nexport { a };', /Cannot load src\/flows.ts/, /needs its ending/],
  ['import { a } from "left-out";\nexport { a };', /Cannot load src\/flows.ts/, /npm install left-out/],
] as const)("code that Node does not load is shown with the way out: %s", async ([code, place, hint]) => {
  using project = new Scratch({ "src/flows.ts": `\nexport ${code}\n`.replace("export import", "import") });
  const { child, ended } = start(project.folder, "check");
  const said = await text(child.stderr);
  expect(said).toMatch(place);
  expect(said).toMatch(hint);
  expect((await ended)[0]).toBe(4);
});

test("an older Node is told of in one line, by every command of the packages", async () => {
  const older = "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } })";
  for (const [name, bin] of [
    ["penguiflow", BIN],
    ["penguiflow", path.resolve(import.meta.dirname, "../../core/bin/penguiflow.js")],
    ["create-penguiflow", path.resolve(import.meta.dirname, "../../create-penguiflow/src/bin.ts")],
    ["memory-service", path.resolve(import.meta.dirname, "../../../apps/memory-service/src/bin.ts")],
  ] as const) {
    const preload = ["--conditions=@penguiflow/source", "--import", `data:text/javascript,${older}`];
    const child = spawn(process.execPath, [...preload, bin, "doctor"], { stdio: ["ignore", "pipe", "pipe"] });
    const ended = once(child, "close") as Promise<[number | null]>;
    const said = await text(child.stderr);
    expect([bin, said, (await ended)[0]]).toEqual([bin, `${name} needs Node 22.18 or newer: this is 20.20.2\n`, 1]);
  }
});
