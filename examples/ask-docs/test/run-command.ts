import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { text } from "node:stream/consumers";

const MAIN = fileURLToPath(new URL("../src/main.ts", import.meta.url));

/** Output and exit status of the command. */
export interface Finished {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts the command as `npm start` does, without a terminal. */
export function startCommand(args: readonly string[], cwd = process.cwd()) {
  const { FORCE_COLOR: _, ...env } = process.env;
  return spawn(process.execPath, ["--conditions=@penguiflow/source", MAIN, ...args], {
    cwd,
    env: { ...env, INIT_CWD: cwd },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** Runs the command to its end. */
export async function runCommand(args: readonly string[], cwd?: string): Promise<Finished> {
  const child = startCommand(args, cwd);
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { status: await ended, stdout, stderr };
}
