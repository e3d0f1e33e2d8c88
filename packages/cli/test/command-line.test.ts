import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { COMMANDS } from "../src/commands.ts";
import { completionScript, SHELLS } from "../src/command-line/completion.ts";
import { helpOf, overview } from "../src/command-line/help.ts";
import { parse } from "../src/command-line/parse.ts";
import { CliError } from "../src/exit.ts";

const of = (line: string) => {
  const parsed = parse(line.split(" "), COMMANDS);
  if ("help" in parsed) return { help: parsed.help?.name };
  return { command: parsed.command.name, words: parsed.words, flags: parsed.flags };
};

test("a command of two words is found before its first word", () => {
  expect(of("runs list --limit 5")).toMatchObject({ command: "runs list", flags: { limit: 5, tenant: "default" } });
});

test("flags have their defaults, short forms and negatives", () => {
  expect(of("new . -t flow --no-install")).toMatchObject({
    words: ["."],
    flags: { template: "flow", install: false, git: false, quiet: false },
  });
});

test("words after -- are words, whatever they look like", () => {
  expect(of("run support -- --help")).toMatchObject({ command: "run", words: ["support", "--help"] });
});

test.for([
  ["rum", 'Unknown command "rum"; did you mean "run"?'],
  ["runs", 'Command "runs" needs one more word: runs list, runs export, runs show, runs prune'],
  ["--jsn", 'Unknown option "--jsn" before a command'],
  ["run --jsn", 'Unknown option "--jsn" of "run"; did you mean "--json"?'],
  ["run a b c", 'Unexpected word "c" after "run"'],
  ["run --json=yes", 'Option "--json" takes no value: got "yes"'],
  ["run --timeout soon", 'Option "--timeout" must be a whole number of 1 or more: got "soon"'],
  ["run --timeout", 'Option "--timeout" needs a value: milliseconds after which the run is given up'],
  [
    "new x -t reakt",
    'Option "-t" must be one of react, minimal, flow, parallel, controller, rag, service: got "reakt"; did you mean "react"?',
  ],
  ["history", 'Command "history" needs TRACE: id of the trace'],
] as const)("the error of %j names what is wrong and what is wanted", ([line, message]) => {
  let error;
  try {
    of(line);
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(CliError);
  expect(error).toMatchObject({ message, exit: 2 });
});

test("every command has help of at most 80 columns that names its words, options and exit statuses", () => {
  for (const command of COMMANDS) {
    const help = helpOf(command);
    for (const { name } of command.words) expect(help).toContain(name.toUpperCase());
    for (const name of Object.keys(command.flags)) expect(help).toContain(name);
    for (const status of command.exits) expect(help).toMatch(new RegExp(`^ +${status}  `, "m"));
    for (const line of help.split("\n").filter((each) => !each.startsWith("Usage")))
      expect(line.length).toBeLessThanOrEqual(80);
    expect(overview(COMMANDS)).toContain(command.name);
  }
});

test("the examples of every command are command lines that it takes", () => {
  for (const { name, examples } of COMMANDS)
    for (const example of examples) {
      const [, line = ""] = /penguiflow ([^|>)"]*(?:"[^"]*"[^|>)"]*)*)/.exec(example) ?? [];
      const words = [...line.trim().matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? "");
      expect(parse(words, COMMANDS)).toMatchObject({ command: { name } });
    }
});

test.for(SHELLS)("the completion of %s knows every command and option", (shell) => {
  const script = completionScript(shell, COMMANDS);
  for (const { name, flags } of COMMANDS) {
    for (const word of name.split(" ")) expect(script).toContain(word);
    for (const flag of Object.keys(flags)) expect(script).toContain(flag);
  }
});

test("the guide has a row for every command, and names every option and exit status", () => {
  const guide = readFileSync(path.resolve(import.meta.dirname, "../../../docs/guides/command-line.md"), "utf8");
  for (const { name, flags, exits } of COMMANDS) {
    expect(guide).toMatch(new RegExp(`^\\| \`${name}[ \`]`, "m"));
    for (const [flag, { default: standard }] of Object.entries(flags))
      expect(guide).toContain(`--${standard === true ? "no-" : ""}${flag}`);
    for (const status of exits) expect(guide).toMatch(new RegExp(`^\\| (?:${status}|${status}, 143) +\\|`, "m"));
  }
});
