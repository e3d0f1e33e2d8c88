// An agent whose sub-flow asks for approval before it packs a folder. Its process is killed twice; the next one goes on
// where it was: each folder is measured once, and packed once.
//
//   npm run example examples/durable-agent/main.ts
import { spawn } from "node:child_process";
import { globSync, readFileSync, rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { type CheckpointStore, create, payloadNode } from "penguiflow";
import { durable } from "penguiflow/durable";
import { SqliteCheckpointStore } from "@penguiflow/state-sqlite";

const ROOT = path.resolve(import.meta.dirname, "../..");
const TRACE = { traceId: "tidy up" };

/** The agent. `say` tells what its handlers do. */
export function createFlow(checkpoints: CheckpointStore, say: (line: string) => void) {
  const measure = payloadNode("measure", (folder: string) => {
    say(`measures ${folder}`);
    return { folder, kilobytes: kilobytes(pagesOf(folder)) };
  });
  const approve = payloadNode("approve", async (measured: { folder: string; kilobytes: number }, ctx) => {
    const { folder } = measured;
    const isApproved = await ctx.pause<boolean>({ reason: `Pack ${folder}, ${measured.kilobytes} kB?` });
    return { folder, isApproved };
  });
  const pack = payloadNode("pack", ({ folder, isApproved }: { folder: string; isApproved: boolean }) => {
    if (!isApproved) return `${folder} stays as it is`;
    say(`packs ${folder}`);
    return `${folder} takes ${kilobytes(gzipSync(pagesOf(folder)))} kB`;
  });
  const archive = create(measure.to(approve), approve.to(pack), { name: "archive" });

  const agent = payloadNode("agent", async (folders: readonly string[], ctx) =>
    // `key` tells the calls apart, should the list be in another order when the handler is called again
    Promise.all(folders.map((folder) => ctx.callPlaybook(archive, folder, { key: folder }))),
  );
  return create(agent.to(), { name: "agent", durability: durable({ checkpoints, leaseMs: 500 }) });
}

function pagesOf(folder: string): Buffer {
  const cwd = path.join(ROOT, folder);
  return Buffer.concat(globSync("*.md", { cwd }).map((file) => readFileSync(path.join(cwd, file))));
}

function kilobytes({ length }: Buffer): number {
  return Math.round(length / 1000);
}

/** One process: begins or continues the work, answers a question, and is killed while there are more. */
async function live(number: number, file: string): Promise<void> {
  const say = (line: string): void => console.log(`process ${number} ${line}`);
  await using checkpoints = await SqliteCheckpointStore.open({ file, durability: "full" });
  await using flow = createFlow(checkpoints, say);
  flow.run();
  await flow.ready();
  const [pause] = await flow.pauses.list();
  if (pause !== undefined) say(`answers "${pause.reason}" of ${pause.path.join(" in ")}`);
  const outcome =
    pause === undefined
      ? await flow.outcome(["docs/learn", "docs/guides"], TRACE)
      : await flow.pauses.resume(pause.token, true);
  if (outcome.status === "paused") {
    say(`is killed, with ${outcome.pauses.length} open`);
    process.kill(process.pid, "SIGKILL");
  }
  for (const result of outcome.results.flat()) say(`is told: ${result}`);
}

/** Runs one process after the other until there is nothing left to do. Returns what they said. */
export async function main(): Promise<readonly string[]> {
  const folder = await mkdtemp(path.join(tmpdir(), "durable-agent-"));
  const said: string[] = [];
  for (let number = 1, isOver = false; !isOver; number += 1) {
    const args = [...process.execArgv, import.meta.filename, `${number}`, path.join(folder, "agent.db")];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    const ended = new Promise<boolean>((resolve) => child.once("close", (code) => resolve(code === 0)));
    const lines = (await text(child.stdout)).trimEnd();
    console.log(lines);
    said.push(...lines.split("\n"));
    isOver = await ended;
  }
  rmSync(folder, { recursive: true });
  return said;
}

if (import.meta.main) {
  const [number, file] = process.argv.slice(2);
  if (file === undefined) await main();
  else await live(Number(number), file);
}
