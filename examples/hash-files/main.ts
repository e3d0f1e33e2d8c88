// Two CPU-bound nodes hash the files of a folder: first in this thread, then in two worker threads. A heartbeat of 10
// ms shows how blocked the event loop is meanwhile.
//
//   npm run example examples/hash-files/main.ts
//   npm run example examples/hash-files/main.ts docs/guides
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { create, joinK, payloadNode, shape } from "penguiflow";
import { threadModule, threadNode, ThreadPool } from "penguiflow/threads";
import type * as hashFile from "./hash-file.ts";
import { type File, type Hashed, scrypt, sha256 } from "./hash-file.ts";
import { startHeartbeat } from "./heartbeat.ts";

const REPOSITORY = path.resolve(import.meta.dirname, "../..");
const module = threadModule<typeof hashFile>(new URL("./hash-file.ts", import.meta.url));
const policy = { timeoutMs: 30_000, maxRetries: 1 };

const read = payloadNode("read", async (file: string, ctx): Promise<File> => {
  return { name: path.basename(file), bytes: await readFile(file, { signal: ctx.signal }) };
});

const inThisThread = () => [payloadNode("sha256", sha256), payloadNode("scrypt", scrypt)] as const;

const inThreads = (pool: ThreadPool) =>
  [
    threadNode({ name: "sha256", module, run: "sha256", pool, policy }),
    threadNode({ name: "scrypt", module, run: "scrypt", pool, policy }),
  ] as const;

const gather = joinK("gather", 2, { input: shape<Hashed>() });

const line = payloadNode("line", (hashes: [Hashed, Hashed]) => {
  const of = (by: Hashed["by"]) => hashes.find((hashed) => hashed.by === by)?.hash.slice(0, 16);
  return `${of("sha256")}  ${of("scrypt")}  ${hashes[0].name}`;
});

/** Builds the flow, with its nodes in the threads of a pool or, without one, in this thread. */
export function createFlow(pool?: ThreadPool) {
  const [one, other] = pool === undefined ? inThisThread() : inThreads(pool);
  return create(read.to(one, other), one.to(gather), other.to(gather), gather.to(line), { name: "hash-files" });
}

/** Hashes all files and counts the heartbeats meanwhile. */
async function hashAll(files: readonly string[], pool?: ThreadPool) {
  await using flow = createFlow(pool);
  flow.run();
  const heart = startHeartbeat();
  const lines = await Promise.all(files.map((file) => flow.call(file)));
  const pulse = heart.stop();
  console.log(
    `${pool === undefined ? "in this thread" : `in ${pool.stats().started} threads`}: ` +
      `${(pulse.durationMs / 1_000).toFixed(1)} s, ${pulse.beats} of ${pulse.beatsWanted} beats, ` +
      `late by ${pulse.medianLateMs.toFixed(1)} ms (median) and ${pulse.worstLateMs.toFixed(1)} ms (worst)`,
  );
  return { lines, pulse };
}

export async function main(folder = "docs/learn") {
  const entries = await readdir(path.resolve(REPOSITORY, folder), { withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));

  await using pool = new ThreadPool({ size: 2 });
  const alone = await hashAll(files);
  const threaded = await hashAll(files, pool);
  console.log(threaded.lines.join("\n"));
  return { alone, threaded, pool };
}

if (import.meta.main) await main(process.argv[2]);
