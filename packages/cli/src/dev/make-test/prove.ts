import { spawn } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { text } from "node:stream/consumers";
import { pathToFileURL } from "node:url";
import type { TestMade } from "@penguiflow/playground/protocol";
import { EXEC_ARGV } from "../supervisor/main-file.ts";

/** Milliseconds that a test may take. */
const TEST_MS = 60_000;
/** Characters of a test's output that are shown. */
const MAX_OUTPUT = 4_000;
/** Attempts of the broken node that are broken. */
const ATTEMPTS = Array.from({ length: 20 }, (_, at) => at + 1);

/** A test file, and how it is run. */
export interface Proved {
  readonly root: string;
  /** Absolute path. */
  readonly file: string;
  readonly runner: TestMade["runner"];
  readonly execArgv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The node that is broken in the second run. */
  readonly breaks: string | undefined;
}

/** Runs a test as it is, and with a node broken: a test that no change can fail is none. */
export async function prove(test: Proved): Promise<TestMade["proof"]> {
  const whole = await run(test);
  if (!whole.passes || test.breaks === undefined) return { ...whole, failsWhenBroken: false };
  const folder = path.join(test.root, ".penguiflow");
  const preload = path.join(folder, `broken-${process.pid}-${Date.now()}.mjs`);
  mkdirSync(folder, { recursive: true });
  const fault = { node: test.breaks, type: "return", value: { broken: true }, onAttempt: ATTEMPTS };
  writeFileSync(preload, `import { faultPlan } from "penguiflow/testing";\nfaultPlan([${JSON.stringify(fault)}]);\n`);
  try {
    const broken = await run(test, preload);
    return { ...whole, failsWhenBroken: !broken.passes };
  } finally {
    rmSync(preload, { force: true });
  }
}

async function run({ root, file, runner, execArgv, env }: Proved, preload?: string) {
  const options = [
    ...EXEC_ARGV,
    ...execArgv,
    ...(preload === undefined ? [] : ["--import", pathToFileURL(preload).href]),
  ];
  const isVitest = runner === "vitest";
  const child = spawn(
    process.execPath,
    isVitest ? [vitestOf(root), "run", path.relative(root, file)] : [...options, file],
    {
      cwd: root,
      env: {
        ...env,
        NO_COLOR: "1",
        NODE_TEST_CONTEXT: undefined,
        ...(isVitest && { NODE_OPTIONS: options.join(" ") }),
      },
      stdio: ["ignore", "pipe", "pipe"],
      timeout: TEST_MS,
      killSignal: "SIGKILL",
    },
  );
  const ended = Promise.withResolvers<number | null>();
  child.once("close", ended.resolve);
  child.once("error", () => ended.resolve(null));
  const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), ended.promise]);
  return { passes: code === 0, output: `${out}${err}`.slice(-MAX_OUTPUT) };
}

function vitestOf(root: string): string {
  return path.join(
    path.dirname(createRequire(path.join(root, "package.json")).resolve("vitest/package.json")),
    "vitest.mjs",
  );
}
