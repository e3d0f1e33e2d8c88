import { fork } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { describe, expect, test } from "vitest";
import { files, read, root, scratchFolder } from "../../../../../scripts/workspace.ts";
import type { LintedFile } from "./run-linted.ts";

/** The environment that examples/service needs to start. */
const serviceEnvironment = {
  PORT: "0",
  ADMIN_PORT: "0",
  TENANTS: JSON.stringify([{ name: "acme", token: "a-token-of-acme-0001", documents: path.join(root, "docs") }]),
};

/** Runs files in a separate process and resolves with their flows. */
async function lint(these: readonly string[]): Promise<LintedFile[]> {
  const linted: LintedFile[] = [];
  const child = fork(new URL("./run-linted.ts", import.meta.url), [], {
    cwd: scratchFolder(`lint-desk-${path.basename(these[0] ?? "")}`),
    env: { ...process.env, ...serviceEnvironment, NO_COLOR: "1", FILES: JSON.stringify(these) },
    execArgv: ["--conditions=@penguiflow/source"],
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  let errors = "";
  child.stderr?.on("data", (text: Buffer) => (errors += text.toString()));
  child.on("message", (message) => linted.push(message as LintedFile));
  await new Promise((resolve) => child.once("close", resolve));
  expect(linted.length, errors).toBe(these.length);
  return linted;
}

const found = (linted: readonly LintedFile[]) =>
  linted.flatMap(({ file, flows }) =>
    flows.flatMap(({ name, findings }) =>
      findings.map(({ rule, nodes }) => `${path.basename(file)}, flow ${name}: ${rule} ${nodes.join()}`),
    ),
  );

describe("the linter has nothing to say", { timeout: 240_000 }, () => {
  test("of the flows of any example", async () => {
    const examples = files("examples/**/main.ts").map((file) => path.join(root, file));
    const linted = await lint(examples);
    const without = linted.filter(({ flows }) => flows.length === 0);
    expect(without.map(({ file }) => file)).toEqual([]);
    expect(found(linted)).toEqual([]);
  });

  test("of the flows in the documentation, but for the one that shows a deadlock", async () => {
    const desk = scratchFolder("lint");
    const pages = files("{README.md,docs/**/*.md,packages/*/README.md}");
    const blocks = pages.flatMap((page) =>
      Array.from(read(page).matchAll(/^```ts$\n([^]*?)^```$/gm), ([, code = ""], index) => {
        // blocks that lint their own flows state what is found
        if (code.includes('from "penguiflow/lint"')) return [];
        const file = path.join(desk, `${page.replaceAll(/[/.]/g, "-")}-${index + 1}.ts`);
        writeFileSync(file, code);
        return [file];
      }).flat(),
    );
    const linted = await lint(blocks);
    expect(linted.flatMap(({ flows }) => flows).length).toBeGreaterThan(pages.length);
    // each message of its cycle causes two
    const doomed = "docs-explain-scheduling-md-2.ts, flow flow";
    expect(found(linted)).toEqual([
      `${doomed}: dead-end left,right`,
      `${doomed}: loop-without-budget left,right`,
      `${doomed}: deadlock-prone-cycle left,right`,
    ]);
  });
});
