import { rmSync } from "node:fs";
import { type Run, run } from "../scripts/workspace.ts";

/** Runs the program of `npm run crash` for ten kills, or as the arguments say. */
export async function crash(...args: string[]): Promise<Run> {
  const program = ["--conditions=@penguiflow/source", "scripts/crash.ts", "--kills", "10", "--seed", "1", ...args];
  const result = await run(process.execPath, program, { timeoutMs: 120_000 });
  const [, evidence] = /^Evidence: (.+);/m.exec(result.output) ?? [];
  if (evidence !== undefined && result.status === 1) rmSync(evidence, { recursive: true });
  return result;
}
