import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { describe, expect, test } from "vitest";
import { Scratch } from "../scratch.ts";

const BIN = path.resolve(import.meta.dirname, "../../src/bin.ts");
const FLOW = `
import { create, payloadNode } from "penguiflow";
const wait = payloadNode("wait", async (text: string, ctx) => {
  await ctx.sleep(600_000);
  return text;
});
export const flow = create(wait.to(), { name: "waits" });
`;

interface Line {
  readonly type: string;
  readonly url: string;
  readonly port: number;
  readonly flows: readonly string[];
}

/** The command in a process of its own, as a shell starts it. */
class Dev implements AsyncDisposable {
  readonly process: ChildProcess;
  readonly ended: Promise<number | null>;
  readonly said: Promise<string>;
  readonly #lines: AsyncIterator<string>;

  constructor(folder: string, ...args: readonly string[]) {
    this.process = spawn(process.execPath, ["--conditions=@penguiflow/source", BIN, "dev", ...args], {
      cwd: folder,
      env: { PATH: process.env["PATH"] },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.ended = once(this.process, "close").then(([code]) => code as number | null);
    this.said = text(this.process.stderr!);
    this.#lines = createInterface({ input: this.process.stdout! })[Symbol.asyncIterator]();
  }

  async line(): Promise<Line> {
    return JSON.parse((await this.#lines.next()).value as string) as Line;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.process.kill("SIGKILL");
    await this.ended;
  }
}

describe("penguiflow dev", () => {
  test("prints its address, then its flows, and ends with 0 on Ctrl-C, its processes with it", async () => {
    using project = new Scratch({ "src/flows.ts": FLOW });
    await using dev = new Dev(project.folder, "--port", "0", "--json");
    const listening = await dev.line();
    expect(listening).toMatchObject({
      type: "listening",
      url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/#token=[\w-]{22}$/) as string,
    });
    expect(await dev.line()).toMatchObject({ type: "ready", flows: ["waits"] });
    dev.process.kill("SIGINT");
    expect(await dev.ended).toBe(0);
  });

  test("ends with 5 when the port that was chosen is taken, and takes the next free one otherwise", async () => {
    using project = new Scratch({ "src/flows.ts": FLOW });
    const other = createServer((socket) => socket.destroy());
    other.listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    await using dev = new Dev(project.folder, "--port", String(port));
    expect(await dev.ended).toBe(5);
    expect(await dev.said).toMatch(new RegExp(`Port ${port} is taken by another program\nleave --port out`));
    other.close();
  });

  test.for([
    [["--host", "0.0.0.0"], 2, "it needs --token"],
    [["--token", "short"], 2, "16 or more"],
    [["--port", "x"], 2, "whole number"],
    [["--host", "192.0.2.1", "--token", "0123456789abcdef"], 5, "no address of this machine"],
    [["--project", "none"], 4, "There is no folder"],
  ] as const)("%j ends with %i and says why", async ([args, status, why]) => {
    using project = new Scratch({ "src/flows.ts": FLOW });
    await using dev = new Dev(project.folder, ...args);
    expect(await dev.ended).toBe(status);
    expect(await dev.said).toContain(why);
  });

  test.for([
    [{}, "src/{flows,agent,index,main}"],
    [{ "src/flows.ts": "export const flow = 1;" }, "exports no flow"],
    [{ "src/flows.ts": FLOW, "penguiflow.config.ts": "export default { enter: 1 };" }, 'unknown setting "enter"'],
  ] as const)("a project without a flow ends it with 4: %j", async ([files, why]) => {
    using project = new Scratch(files);
    await using dev = new Dev(project.folder, "--port", "0");
    expect(await dev.ended).toBe(4);
    expect(await dev.said).toContain(why);
  });

  test("the settings give the project's process options of Node, and refuse what is no list", async () => {
    using project = new Scratch({
      "src/flows.ts": FLOW.replace('"waits"', "process.execArgv.includes('--no-warnings') ? 'quiet' : 'loud'"),
      "penguiflow.config.ts": 'export default { dev: { execArgv: ["--no-warnings"] } };',
    });
    await using dev = new Dev(project.folder, "--port", "0", "--json");
    await dev.line();
    expect(await dev.line()).toMatchObject({ flows: ["quiet"] });
    project.write({ "penguiflow.config.ts": "export default { dev: { execArgv: 1 } };" });
    await using refused = new Dev(project.folder, "--port", "0");
    expect(await refused.ended).toBe(4);
    expect(await refused.said).toContain('must give "dev.execArgv" as a list of texts');
  });
});
