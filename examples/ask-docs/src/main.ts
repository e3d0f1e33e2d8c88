// Answers a question from a folder of documents; see `npm start -- --help`.
import process from "node:process";
import { askDocs } from "./ask-docs.ts";
import { HELP, parseCommandLine } from "./command-line.ts";
import { CommandError, ExitStatus } from "./exit-status.ts";

const interrupt = new AbortController();
// once: a second Ctrl-C ends the process at once, without an orderly shutdown
process.once("SIGINT", () => interrupt.abort(new CommandError(ExitStatus.interrupted, "Interrupted")));
// a reader such as `head` closes the pipe early, which is no failure
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit();
});

try {
  const commandLine = parseCommandLine(process.argv.slice(2));
  if (commandLine.help) process.stdout.write(HELP);
  else process.exitCode = await askDocs(commandLine, interrupt.signal);
} catch (error) {
  const reason: unknown = interrupt.signal.aborted ? interrupt.signal.reason : error;
  if (!(reason instanceof CommandError)) throw reason;
  process.stderr.write(`${reason.message}\n`);
  process.exitCode = reason.status;
}
