import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "approval-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

/** Runs one of the two programs in a process of its own. */
async function run(program: "request" | "approve", ...args: readonly string[]) {
  const file = fileURLToPath(new URL(`../${program}.ts`, import.meta.url));
  const child = spawn(process.execPath, ["--conditions=@penguiflow/source", file, ...args], {
    env: { ...process.env, APPROVAL_FOLDER: folder, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { status: await ended, stdout, stderr };
}

/** Reads the payments from the bank's book, without their numbers and keys. */
async function paid(): Promise<string[]> {
  const book = await readFile(path.join(folder, "bank.txt"), "utf8").catch(() => "");
  return book.split("\n").flatMap((line) => (line === "" ? [] : [line.split(" ").slice(2).join(" ")]));
}

async function request(...args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await run("request", ...args);
  expect([status, stderr]).toEqual([0, ""]);
  return /approve\.ts (request-\d+) yes/.exec(stdout)?.[1] ?? stdout;
}

describe("approval", { timeout: 60_000 }, () => {
  test("a small expense is paid at once", async () => {
    expect(await request("Ben", "20", "tea")).toBe("the rules said yes: Ben gets 20.00 € for tea, transfer 1\n");
    expect(await paid()).toEqual(["20.00 € to Ben"]);
  });

  test("large ones wait without a process, are decided apart in others, and paid once", async () => {
    const train = await request("Anna", "240.50", "a train");
    const boat = await request("Carl", "9000", "a boat");
    const listed = await run("approve");
    expect(listed.stdout).toContain(`  ${train}  Anna wants 240.50 € for a train\n`);
    expect(listed.stdout).toContain(`  ${boat}  Carl wants 9000.00 € for a boat\n`);
    expect(await paid()).toEqual(["20.00 € to Ben"]);

    const no = await run("approve", boat, "no", "Maria");
    expect(no).toEqual({ status: 0, stderr: "", stdout: "Maria said no: Carl gets nothing for a boat\n" });
    const yes = await run("approve", train, "yes", "Maria");
    expect(yes.stdout).toBe("Maria said yes: Anna gets 240.50 € for a train, transfer 2\n");
    expect(await paid()).toEqual(["20.00 € to Ben", "240.50 € to Anna"]);

    const again = await run("approve", train, "yes", "Maria");
    expect(again.status).toBe(1);
    expect(again.stderr).toBe(`Cannot decide about "${train}": it does not wait, or not any more\n`);
    expect((await run("approve")).stdout).toBe("Nothing waits.\n");
    expect(await paid()).toHaveLength(2);
  });
});
