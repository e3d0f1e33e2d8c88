import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { afterAll, expect, test } from "vitest";
import { SqliteCheckpointStore } from "@penguiflow/state-sqlite";
import { approvalPlanner } from "./approval-planner.ts";

const folder = mkdtempSync(join(tmpdir(), "planner-killed-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Reads the token that the program tells. The flow's log may tell more. */
async function toldBy(output: Readable): Promise<string> {
  const told = Promise.withResolvers<string>();
  createInterface(output).on("line", (line) => {
    if (line.startsWith("token ")) told.resolve(line.slice("token ".length));
  });
  return await told.promise;
}

test("case 23: a process that is killed while its run waits loses nothing; another answers, and the call runs once", async () => {
  const [checkpoints, written] = [join(folder, "checkpoints.db"), join(folder, "written.txt")];
  const program = join(import.meta.dirname, "approval-process.ts");
  const child = spawn(process.execPath, ["--conditions=@penguiflow/source", program, checkpoints, written], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const token = await toldBy(child.stdout);
  child.kill("SIGKILL");
  await once(child, "exit");
  const store = await SqliteCheckpointStore.open({ file: checkpoints });
  const { model, planner } = approvalPlanner(store, (text) => appendFileSync(written, `${text}\n`));
  await using running = planner.start();
  const decision = { approved: true, args: { text: "two" } } as const;
  const end = await running.resume(token, decision, { tenant: "default", by: "ada" });
  expect(end).toMatchObject({
    status: "completed",
    output: "Written",
    steps: [{ calls: [{ args: { text: "two" } }] }, {}],
  });
  expect([readFileSync(written, "utf8"), model.count]).toEqual(["two for bea\n", 1]);
  await expect(running.resume(token, decision, { tenant: "default", by: "ada" })).rejects.toMatchObject({
    code: expect.stringMatching(/^PAUSE_(?:USED|UNKNOWN)$/) as string,
  });
}, 120_000);
