import process from "node:process";
import { createInterface } from "node:readline/promises";
import { requireQuestion } from "./command-line.ts";
import { CommandError, ExitStatus } from "./exit-status.ts";

/**
 * Asks for the question on a terminal, where an empty line accepts the suggestion. Elsewhere it takes the suggestion
 * and says so, because there is no one to answer.
 *
 * @throws CommandError when the typed text holds no word, or when the person leaves with Ctrl-C or Ctrl-D
 */
export async function chooseQuestion(suggestion: string, signal: AbortSignal): Promise<string> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    process.stderr.write(`No question given, so this one: ${suggestion}\n`);
    return suggestion;
  }
  const reader = createInterface({ input: process.stdin, output: process.stderr });
  const { promise: left, reject: leave } = Promise.withResolvers<never>();
  // readline handles Ctrl-C before the process sees it, and closes
  reader.once("close", () => leave(new CommandError(ExitStatus.interrupted, "\nInterrupted")));
  try {
    const typed = await Promise.race([reader.question(`Question [${suggestion}]: `, { signal }), left]);
    if (typed.trim() === "") return suggestion;
    requireQuestion(typed, "A question");
    return typed.trim();
  } finally {
    reader.close();
  }
}
