import { helpOf, overview } from "./command-line/help.ts";
import { parse } from "./command-line/parse.ts";
import { COMMANDS } from "./commands.ts";
import { CliError, Exit, type ExitStatus } from "./exit.ts";
import type { Io } from "./io.ts";
import { printJson, styled } from "./text.ts";
import { VERSION } from "./own-package.ts";

/**
 * Runs a command line, without the program's own name. Never throws: what goes wrong is printed and told by the exit
 * status.
 */
export async function main(argv: readonly string[], io: Io): Promise<ExitStatus> {
  const isVerbose = argv.includes("--verbose");
  const args = argv.filter((word) => word !== "--verbose");
  if (args[0] === "--version") {
    io.out(`${VERSION}\n`);
    return Exit.OK;
  }
  try {
    const parsed = parse(args, COMMANDS);
    if ("help" in parsed) {
      io.out(parsed.help === undefined ? overview(COMMANDS) : helpOf(parsed.help));
      return Exit.OK;
    }
    return await parsed.command.run({ ...parsed, io });
  } catch (error) {
    return report(error, io, { isVerbose, json: args.includes("--json") });
  }
}

/** Prints what went wrong: what, what to do, and the stack only when it is asked for. */
function report(error: unknown, io: Io, how: { readonly isVerbose: boolean; readonly json: boolean }): ExitStatus {
  if (io.signal.aborted) return Exit.INTERRUPTED;
  const { message = String(error), stack } = (error ?? {}) as Partial<Error>;
  const { code, exit, hint } =
    error instanceof CliError ? error : { code: codeOf(error), exit: Exit.FAILED, hint: "--verbose shows where" };
  if (how.json) printJson(io, { error: { code, message, ...(hint !== undefined && { hint }) } }, true);
  else io.err(`${styled(io, "red", "error")} ${message}\n${hint === undefined ? "" : `${hint}\n`}`);
  if (how.isVerbose && stack !== undefined) io.err(`${stack}\n`);
  return exit;
}

function codeOf(error: unknown): string {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  return typeof code === "string" ? code : "FAILED";
}
