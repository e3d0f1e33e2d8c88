import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { build } from "rolldown";
import { seededRandom, systemClock } from "penguiflow";
import { hashEmbedder, openMemory } from "@penguiflow/memory-service";

/** Result of {@link killAndCount}: with the law, `missing`, `twice` and `unembedded` are empty. */
export interface KillReport {
  readonly kills: number;
  /** Texts that a process has accepted. */
  readonly accepted: number;
  readonly missing: readonly number[];
  readonly twice: readonly number[];
  /** Texts without a vector after all jobs were worked off. */
  readonly unembedded: readonly number[];
}

/** Accepted texts after which a process is killed at the latest. */
const MOST_BEFORE_KILL = 40;
/** Longest delay of a kill that does not wait for a text: most processes open their files meanwhile. */
const OPENING_MS = 200;

/**
 * Kills a process again and again while it keeps texts, each time at another instant, and counts the texts that are
 * there (law M8).
 *
 * @param report - receives the number of kills and of accepted texts so far
 */
export async function killAndCount(
  directory: string,
  kills: number,
  seed: number,
  report: (kills: number, accepted: number) => void = () => {},
): Promise<KillReport> {
  const random = seededRandom(seed);
  const program = await bundled(directory);
  let next = 0;
  for (let kill = 1; kill <= kills; kill++) {
    next = await keepUntilKilled(program, directory, next, random);
    report(kill, next);
  }
  await workOff(directory);
  const rows = rowsOf(directory);
  const counts = new Map<number, number>();
  for (const { number } of rows) counts.set(number, (counts.get(number) ?? 0) + 1);
  const accepted = Array.from({ length: next }, (_, number) => number);
  return {
    kills,
    accepted: next,
    missing: accepted.filter((number) => !counts.has(number)),
    twice: [...counts.keys()].filter((number) => counts.get(number) !== 1),
    unembedded: rows.filter(({ vectors }) => vectors !== 1).map(({ number }) => number),
  };
}

/** Makes one file of the program: it starts five times as fast as from its many sources. */
async function bundled(directory: string): Promise<string> {
  const folder = path.join(directory, "program");
  await build({
    input: path.join(import.meta.dirname, "keeping-process.ts"),
    platform: "node",
    resolve: { conditionNames: ["@penguiflow/source", "node", "import"] },
    // not used here
    external: [/^@modelcontextprotocol/, /^@huggingface/, /^pg$/],
    output: { dir: folder, format: "esm" },
    logLevel: "warn",
  });
  return path.join(folder, "keeping-process.js");
}

/** Lets a process of later work off the jobs: the leases of the killed ones have ended by then. */
async function workOff(directory: string): Promise<void> {
  const clock = { ...systemClock, epochNow: () => Date.now() + 120_000 };
  await using memory = await openMemory({ directory, embedder: hashEmbedder(64), clock });
  await memory.drained();
}

/** Reads the numbers that were kept, each with the number of its vectors. */
function rowsOf(directory: string): { readonly number: number; readonly vectors: number }[] {
  const database = new DatabaseSync(path.join(directory, "tenants", "acme.db"));
  try {
    const select = "select text, (select count(*) from embedding e where e.seq = f.seq) as vectors from fragment f";
    return database
      .prepare(select)
      .all()
      .map(({ text, vectors }) => ({ number: Number(/n(\d+)n/.exec(String(text))?.[1]), vectors: Number(vectors) }));
  } finally {
    database.close();
  }
}

/** Runs a process from `first` on and kills it after some texts, or within the next; returns the next number. */
async function keepUntilKilled(
  program: string,
  directory: string,
  first: number,
  random: () => number,
): Promise<number> {
  const args = ["--no-warnings", program, directory, String(first)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "close");
  // one in eight is killed while it opens its files
  const wanted = random() < 1 / 8 ? 0 : 1 + Math.floor(random() * MOST_BEFORE_KILL);
  if (wanted === 0) killSoon(child, random() * OPENING_MS);
  let next = first;
  for await (const line of createInterface({ input: child.stdout })) {
    next = Number(line) + 1;
    // some kills come between two texts, most within one
    if (next - first === wanted) killSoon(child, random() * 8);
  }
  await ended;
  return next;
}

function killSoon(child: ChildProcess, delayMs: number): void {
  setTimeout(() => child.kill("SIGKILL"), delayMs);
}
