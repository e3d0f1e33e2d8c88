import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { onTestFinished } from "vitest";

/** Starts an agent in a process of its own, with its tasks in a database: an SQLite file, or the URL of PostgreSQL. */
export async function startAgent(database: string): Promise<{ readonly agent: ChildProcess; readonly url: string }> {
  const agent = fork(path.join(import.meta.dirname, "agent-process.ts"), [database], {
    execArgv: ["--conditions=@penguiflow/source", "--disable-warning=ExperimentalWarning"],
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  onTestFinished(() => void agent.kill("SIGKILL"));
  const [{ url }] = (await once(agent, "message")) as [{ url: string }];
  return { agent, url };
}
