// The gate. `npm run check` runs every step and goes on after a failure; `npm run check -- lint types` runs some.
import { styleText } from "node:util";
import { bin, run } from "./workspace.ts";

/** A program and its arguments. `report` selects output to show even when the program succeeds. */
interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly report?: true;
}

const tool = (name: string, ...args: string[]): Command => ({ program: bin(name), args });
const script = (name: string, ...args: string[]): Command => ({
  program: process.execPath,
  args: ["--conditions=@penguiflow/source", `scripts/${name}.ts`, ...args],
  report: true,
});

const build: Command = { program: process.execPath, args: ["scripts/build.ts"] };

const steps: Readonly<Record<string, readonly Command[]>> = {
  format: [tool("oxfmt", "--check")],
  types: [tool("tsc", "-b")],
  lint: [tool("oxlint")],
  unused: [
    tool("knip"),
    // A workspace declares every package it imports; the root's development tools do not count.
    tool("knip", "--strict", "--dependencies"),
    tool(
      "sherif",
      "--fail-on-warnings",
      "--ignore-rule",
      "root-package-manager-field",
      "--ignore-rule",
      "packages-without-package-json",
    ),
  ],
  package: [build, script("package"), script("templates")],
  api: [build, script("api")],
  instantiations: [script("instantiations")],
  simulation: [
    script("simulate"),
    script("simulate", "--planner", "--seeds", "1000"),
    script("simulate", "--cluster", "--seeds", "5000"),
  ],
  docs: [script("pages"), script("snippets")],
  tests: [
    tool("vitest", "run", "--coverage", "--reporter=dot", "--reporter=json", "--outputFile.json=coverage/tests.json"),
    script("test-summary"),
  ],
};

/** Lines of a failed program's output to show. Running it alone shows the rest. */
const linesShown = 100;

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in steps));
if (unknown.length > 0) {
  process.stderr.write(`Cannot check "${unknown.join('", "')}": the steps are ${Object.keys(steps).join(", ")}\n`);
  process.exit(2);
}

// some tools write colours into a pipe, and escape codes make a log file unreadable
if (!process.stdout.isTTY) process.env["NO_COLOR"] = "1";

const failed: string[] = [];
for (const [name, commands] of Object.entries(steps)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const startedAt = performance.now();
  let status = 0;
  const shown: string[] = [];
  for (const command of commands) {
    const result = await run(command.program, command.args);
    status ||= result.status;
    if (result.status === 0 && !command.report) continue;
    const lines = result.output.trimEnd().split("\n");
    shown.push(...lines.slice(0, linesShown));
    if (lines.length > linesShown) shown.push(`… and ${lines.length - linesShown} more lines`);
  }
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1).padStart(6);
  const mark = status === 0 ? styleText("green", "ok  ") : styleText("red", "FAIL");
  process.stdout.write(`${mark} ${name.padEnd(15)}${seconds} s\n`);
  for (const line of shown) process.stdout.write(line === "" ? "\n" : `     ${line}\n`);
  if (status !== 0) failed.push(name);
}

if (failed.length > 0) {
  process.stdout.write(`\nFailed: ${failed.join(", ")}. Repeat one with "npm run check -- ${failed[0]}"\n`);
  process.exitCode = 1;
}
