import { fork } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { development, type Reply, type Timing } from "./contract.ts";

/** Returns the time limit of a run: a busy machine may give a run a small share. Many waiting traces take their time. */
const limitMs = (): number => Math.max(600_000, Number(process.env["BENCH_TRACES"] ?? 0) / 2);

/** Order for one run. */
export interface Order {
  readonly subject: string;
  readonly workload: string;
  readonly timing: Timing;
  /** Folder of the bench code that runs it. */
  readonly bench: string;
  /** Export conditions the packages resolve with. */
  readonly conditions: readonly string[];
}

/**
 * Executes one run in a process of its own, with `NODE_ENV=production` unless the subject is PenguiFlow in development.
 *
 * @throws Error with the output of the process when it failed
 */
export async function runFresh({ subject, workload, timing, bench, conditions }: Order): Promise<Reply> {
  const timeoutMs = limitMs();
  const child = fork(path.join(bench, "one-run.ts"), [subject, workload, JSON.stringify(timing)], {
    execArgv: ["--expose-gc", "--max-old-space-size=2048", ...conditions],
    env: { ...process.env, NODE_ENV: subject === development ? "development" : "production" },
    silent: true,
    timeout: timeoutMs,
  });
  let reply: Reply | undefined;
  let said = "";
  child.on("message", (message) => (reply = message as Reply));
  child.stdout!.resume();
  child.stderr!.setEncoding("utf8").on("data", (text: string) => (said += text));
  const [status, signal] = (await once(child, "close")) as [number | null, string | null];
  if (reply !== undefined) return reply;
  const errorLine = said.split("\n").find((line) => /^\w*Error\b/.test(line));
  const ending = signal === null ? `exit status ${status}` : `ended by ${signal} after at most ${timeoutMs / 1_000} s`;
  throw new Error(errorLine ?? ending, { cause: said });
}
