// The command line of a script: its options, its usage text and its refusals.
import { parseArgs, type ParseArgsOptionsConfig } from "node:util";

/**
 * Reads the command line. Prints the usage and ends the process for `--help`; refuses what it does not know, and words
 * that are no options unless it `takesWords`.
 */
export function readCommandLine<const Options extends ParseArgsOptionsConfig>(
  usage: string,
  options: Options,
  takesWords = false,
) {
  const args = process.argv.slice(2);
  if (args.includes("--help") || args.includes("-h")) {
    process.stdout.write(`${usage}\n`);
    process.exit();
  }
  try {
    const found = parseArgs({ args, options, allowPositionals: true });
    const [word] = takesWords ? [] : found.positionals;
    return word === undefined ? found : refuse(`Unexpected argument "${word}"`);
  } catch (error) {
    // the rest of Node's message advises about positional arguments
    const [problem = ""] = (error as Error).message.replaceAll("'", '"').split(/\. |\n/);
    return refuse(problem.replace(/\.$/, ""));
  }
}

/** Ends the process because its command line cannot be followed. */
export function refuse(problem: string): never {
  process.stderr.write(`${problem}; --help lists the options\n`);
  process.exit(2);
}

/** Returns the whole number that an option was given. Refuses less than `least`. */
export function wholeNumber(option: string, value: string, least = 1): number {
  const number = Number(value);
  if (Number.isSafeInteger(number) && number >= least) return number;
  return refuse(`Option "--${option}" must be a whole number of ${least} or more: got "${value}"`);
}
