import { parseArgs } from "node:util";
import { CliError, Exit } from "../exit.ts";
import type { AnyValue, Command, Flag } from "./command.ts";
import { meant } from "./nearest.ts";

/** A command line that can be followed. */
export interface Parsed {
  readonly command: Command;
  readonly words: readonly string[];
  readonly flags: Readonly<Record<string, AnyValue>>;
}

/** A command line that asks for help, of one command or of all. */
export interface Help {
  readonly help: Command | undefined;
}

/**
 * Reads a command line by the table of commands.
 *
 * @throws CliError that names the word which is unknown, missing or not allowed
 */
export function parse(argv: readonly string[], commands: readonly Command[]): Parsed | Help {
  const plain = argv.findIndex((word) => word.startsWith("-"));
  const leading = plain === -1 ? argv : argv.slice(0, plain);
  const found = commands
    .filter(({ name }) => name.split(" ").every((word, at) => leading[at] === word))
    .sort((one, other) => other.name.length - one.name.length)[0];
  const asksHelp = argv.some((word, at) => (word === "--help" || word === "-h") && !argv.slice(0, at).includes("--"));
  if (found === undefined) {
    if (asksHelp || argv.length === 0) return { help: undefined };
    throw unknownCommand(leading, argv, commands);
  }
  if (asksHelp) return { help: found };
  return parseFor(found, argv.slice(found.name.split(" ").length));
}

function unknownCommand(leading: readonly string[], argv: readonly string[], commands: readonly Command[]): CliError {
  const [word = argv[0]!] = leading;
  const below = commands.filter(({ name }) => name.startsWith(`${word} `)).map(({ name }) => name);
  if (below.length > 0) return usage(`Command "${word}" needs one more word: ${below.join(", ")}`);
  if (word.startsWith("-")) return usage(`Unknown option "${word}" before a command`);
  const names = [...new Set(commands.map(({ name }) => name.split(" ")[0]!))];
  return usage(`Unknown command "${word}"${meant(word, names)}`);
}

function parseFor(command: Command, args: readonly string[]): Parsed {
  const { flags, words } = command;
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(
      Object.entries(flags).map(([name, { type, short }]) => [
        name,
        { type: type === "boolean" ? "boolean" : "string", ...(short !== undefined && { short }) } as const,
      ]),
    ),
    strict: false,
    allowPositionals: true,
    allowNegative: true,
    tokens: true,
  });
  const given: string[] = [];
  const values: Record<string, AnyValue> = Object.fromEntries(
    Object.entries(flags).map(([name, flag]) => [name, flag.default ?? emptyOf(flag)]),
  );
  for (const token of tokens) {
    if (token.kind === "positional") given.push(token.value);
    if (token.kind !== "option") continue;
    // older versions of Node name a negative option by its positive name, newer ones as it is typed
    const isNegative = token.rawName.startsWith("--no-") && !Object.hasOwn(flags, token.rawName.slice(2));
    const name = isNegative ? token.rawName.slice(5) : token.name;
    const flag = Object.hasOwn(flags, name) ? flags[name] : undefined;
    if (flag === undefined)
      throw usage(
        `Unknown option "${token.rawName}" of "${command.name}"${meant(
          `--${name}`,
          Object.keys(flags).map((each) => `--${each}`),
        )}`,
        command,
      );
    const value = valueOf(command, token.rawName, flag, token.value, isNegative);
    values[name] = flag.type === "list" ? [...(values[name] as readonly string[]), value as string] : value;
  }
  if (given.length > words.length)
    throw usage(`Unexpected word "${given[words.length]}" after "${command.name}"`, command);
  const missing = words.find(({ isOptional = false }, at) => !isOptional && given[at] === undefined);
  if (missing !== undefined)
    throw usage(`Command "${command.name}" needs ${missing.name.toUpperCase()}: ${missing.help}`, command);
  return { command, words: given, flags: values };
}

/** Returns the value of a flag that is left out and has no default. */
function emptyOf({ type }: Flag): AnyValue {
  if (type === "list") return [];
  return type === "boolean" ? false : undefined;
}

function valueOf(command: Command, rawName: string, flag: Flag, value: string | undefined, isNegative: boolean) {
  if (flag.type === "boolean") {
    if (value !== undefined) throw usage(`Option "${rawName}" takes no value: got "${value}"`, command);
    return !isNegative;
  }
  if (isNegative || value === undefined || value === "")
    throw usage(`Option "${rawName}" needs a value: ${flag.help}`, command);
  if (flag.type === "integer") {
    const number = Number(value);
    const { least = 0 } = flag;
    if (Number.isSafeInteger(number) && number >= least) return number;
    throw usage(`Option "${rawName}" must be a whole number of ${least} or more: got "${value}"`, command);
  }
  const { choices } = flag;
  if (choices !== undefined && !choices.includes(value))
    throw usage(
      `Option "${rawName}" must be one of ${choices.join(", ")}: got "${value}"${meant(value, choices)}`,
      command,
    );
  return value;
}

/** Makes the error for a command line that cannot be followed. */
export function usage(message: string, command?: Command): CliError {
  const help = command === undefined ? "penguiflow help" : `penguiflow ${command.name} --help`;
  return new CliError({ code: "USAGE", exit: Exit.USAGE, message, hint: `${help} shows what there is` });
}
