import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
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

/**
 * Kills a process again and again while it keeps texts, each time at another instant, and counts the texts that are
 * there (law M8).
 */
export async function killAndCount(directory: string, kills: number, seed: number): Promise<KillReport> {
  const random = seededRandom(seed);
  let next = 0;
  for (let kill = 0; kill < kills; kill++) next = await keepUntilKilled(directory, next, random);
  await workOff(directory);
  const rows = rowsOf(directory);
  const accepted = Array.from({ length: next }, (_, number) => number);
  const count = (number: number): number => rows.filter((row) => row.number === number).length;
  return {
    kills,
    accepted: next,
    missing: accepted.filter((number) => count(number) === 0),
    twice: accepted.filter((number) => count(number) > 1),
    unembedded: rows.filter(({ vectors }) => vectors !== 1).map(({ number }) => number),
  };
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
async function keepUntilKilled(directory: string, first: number, random: () => number): Promise<number> {
  const file = path.join(import.meta.dirname, "keeping-process.ts");
  const args = ["--conditions=@penguiflow/source", "--no-warnings", file, directory, String(first)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "close");
  const wanted = 1 + Math.floor(random() * MOST_BEFORE_KILL);
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
