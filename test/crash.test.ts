// Runs the program of `npm run crash` for a few kills: it must find nothing without a defect, and the planted one with
// it.
import { rmSync } from "node:fs";
import { expect, test } from "vitest";
import { type Run, run } from "../scripts/workspace.ts";

async function crash(...args: string[]): Promise<Run> {
  const program = ["--conditions=@penguiflow/source", "scripts/crash.ts", "--kills", "10", "--seed", "1", ...args];
  const result = await run(process.execPath, program, { timeoutMs: 120_000 });
  const [, evidence] = /^Evidence: (.+);/m.exec(result.output) ?? [];
  if (evidence !== undefined && result.status === 1) rmSync(evidence, { recursive: true });
  return result;
}

test("a flow that is killed again and again finishes what it accepted, once", { timeout: 120_000 }, async () => {
  const { status, output } = await crash();
  expect(output).toContain("All is well");
  expect(status).toBe(0);
});

test("what is released before it is stored is found to be lost", { timeout: 120_000 }, async () => {
  const { status, output } = await crash("--defect", "released-early");
  expect(output).toMatch(/^Job \d+ was accepted and lost/m);
  expect(status).toBe(1);
});

test("what is stored without its entries is found to be done twice", { timeout: 120_000 }, async () => {
  // an effect repeats only after a kill at some moments; a message whose entry was lost is counted again after any kill
  const { status, output } = await crash("--defect", "lost-entries", "--kills", "40");
  expect(output).toMatch(/was performed twice|: delivered twice/);
  expect(status).toBe(1);
});

test("signals that are not stored are found to be lost", { timeout: 120_000 }, async () => {
  const { status, output } = await crash("--defect", "lost-signals", "--kills", "40");
  expect(output).toMatch(/^Job \d+ was sent signal \d+, which is lost/m);
  expect(status).toBe(1);
});

test("an option that it does not know is refused", { timeout: 120_000 }, async () => {
  const { status, output } = await crash("--defect", "none");
  expect(output).toContain(
    'Option "--defect" must be one of "released-early", "lost-entries", "lost-signals": got "none"',
  );
  expect(status).toBe(2);
});
