// Runs the scripts that take options: each explains itself, and refuses what it does not know in one line.
import { describe, expect, test } from "vitest";
import { files, read, run } from "../scripts/workspace.ts";

const takesOptions = files("{scripts,bench}/*.ts").filter((file) =>
  /^import \{.*\breadCommandLine\b/m.test(read(file)),
);
const manifest = JSON.parse(read("package.json")) as { readonly scripts: Readonly<Record<string, string>> };
const nameOf = (file: string): string | undefined =>
  Object.entries(manifest.scripts).find(([, command]) => command.endsWith(` ${file}`))?.[0];

const start = (file: string, ...args: string[]) =>
  run(process.execPath, ["--expose-gc", "--conditions=@penguiflow/source", file, ...args], { timeoutMs: 60_000 });

test("the scripts that take options are those of the package's commands", () => {
  expect(takesOptions.map(nameOf)).toEqual([
    "bench",
    "cluster:kill",
    "cluster:sizing",
    "cluster:soak",
    "crash",
    "docs",
    "simulate",
    "soak:a2a",
    "soak",
  ]);
});

describe.each(takesOptions)("%s", (file) => {
  test("prints its usage for --help", { timeout: 60_000 }, async () => {
    const { status, output } = await start(file, "--help");
    expect(output).toMatch(new RegExp(`^Usage: npm run ${nameOf(file)} -- \\[`));
    expect(status).toBe(0);
  });

  test("refuses an option that it does not know in one line", { timeout: 60_000 }, async () => {
    const { status, output } = await start(file, "--krill", "1");
    expect(output).toBe('Unknown option "--krill"; --help lists the options\n');
    expect(status).toBe(2);
  });
});

test.each(["0", "many"])("a number of seeds of %s is refused", { timeout: 60_000 }, async (seeds) => {
  const { status, output } = await start("scripts/simulate.ts", `--seeds=${seeds}`);
  expect(output).toBe(
    `Option "--seeds" must be a whole number of 1 or more: got "${seeds}"; --help lists the options\n`,
  );
  expect(status).toBe(2);
});

test("a word that is no option is refused", { timeout: 60_000 }, async () => {
  const { status, output } = await start("scripts/simulate.ts", "krill");
  expect(output).toBe('Unexpected argument "krill"; --help lists the options\n');
  expect(status).toBe(2);
});
