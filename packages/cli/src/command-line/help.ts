import { EXIT_TEXTS, Exit } from "../exit.ts";
import type { Command, Flag } from "./command.ts";

const WIDTH = 80;

/** Returns the overview of all commands. */
export function overview(commands: readonly Command[]): string {
  return [
    "Usage: penguiflow <command> [options]",
    "",
    ...columns(commands.map((command) => [signature(command), command.summary])),
    "",
    "penguiflow <command> --help explains one; penguiflow --version prints the version.",
    "",
  ].join("\n");
}

/** Returns the help of one command. */
export function helpOf(command: Command): string {
  const { summary, about, words, flags, examples, exits } = command;
  const statuses = [Exit.OK, ...exits, Exit.USAGE].sort((one, other) => one - other);
  return [
    `Usage: penguiflow ${signature(command)}${Object.keys(flags).length === 0 ? "" : " [options]"}`,
    "",
    ...wrapped(`${summary}.`, WIDTH),
    ...(about === undefined ? [] : ["", ...about.split("\n").flatMap((line) => wrapped(line, WIDTH))]),
    ...section(
      "Words",
      words.map(({ name, help }) => [name.toUpperCase(), help]),
    ),
    ...section(
      "Options",
      Object.entries(flags).map(([name, flag]) => [flagText(name, flag), flagHelp(flag)]),
    ),
    ...(examples.length === 0 ? [] : ["", "Examples", ...examples.map((line) => `  ${line}`)]),
    ...section(
      "Exit status",
      statuses.map((status) => [String(status), EXIT_TEXTS[status]]),
    ),
    "",
  ].join("\n");
}

/** Returns a command and its words, as in usage lines. */
function signature({ name, words }: Command): string {
  return [
    name,
    ...words.map((word) => (word.isOptional ? `[${word.name.toUpperCase()}]` : word.name.toUpperCase())),
  ].join(" ");
}

/** Returns a flag as it is typed, with the name of its value. */
function flagText(name: string, flag: Flag): string {
  const { type, short, value = "value", choices } = flag;
  const shown = type === "boolean" && flag.default === true ? `no-${name}` : name;
  const operand = type === "boolean" ? "" : ` <${choices?.join("|") ?? (type === "integer" ? "n" : value)}>`;
  return `${short === undefined ? "" : `-${short}, `}--${shown}${operand}`;
}

/** Returns what a flag does, and its default. */
function flagHelp({ help, default: standard }: Flag): string {
  return standard === undefined || typeof standard === "boolean" ? help : `${help} (${standard})`;
}

function section(title: string, rows: readonly (readonly [string, string])[]): string[] {
  return rows.length === 0 ? [] : ["", title, ...columns(rows)];
}

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const left = Math.min(34, Math.max(...rows.map(([name]) => name.length)));
  return rows.flatMap(([name, text]) => {
    const [first = "", ...rest] = wrapped(text, WIDTH - left - 4);
    const lines = rest.map((line) => `${" ".repeat(left + 4)}${line}`);
    const isLong = name.length > left;
    return isLong
      ? [`  ${name}`, `${" ".repeat(left + 4)}${first}`, ...lines]
      : [`  ${name.padEnd(left)}  ${first}`, ...lines];
  });
}

/** Breaks a text into lines between words. */
function wrapped(text: string, width: number): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1)!;
    if (line === "") lines[lines.length - 1] = word;
    else if (line.length + 1 + word.length <= width) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines;
}
