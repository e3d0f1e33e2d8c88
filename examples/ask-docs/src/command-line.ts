import { parseArgs } from "node:util";
import { CommandError, ExitStatus } from "./exit-status.ts";

/** The parsed command line. */
export interface CommandLine {
  /** As typed; the default folder when missing. */
  readonly dir: string | undefined;
  readonly question: string | undefined;
  readonly draw: boolean;
  /** Whether a planner answers: a language model, or a script in its place. */
  readonly planner: boolean;
  readonly help: boolean;
}

export const HELP = `Answers a question from the Markdown and text files of a folder, with citations.

  npm start -- [--dir PATH] [--question "TEXT"] [--planner] [--draw] [--help]

  --dir PATH         Folder to read. Default: this repository
  --question "TEXT"  What you want to know. Default: asks on a terminal, else a question that suits the folder
  --planner          Answer through an agent that searches; a script plays its model unless AGENT_MODEL names one
  --draw             Print the flows as Mermaid diagrams before the answer
  --help             Print this text

Reads .md, .markdown, .mdx, .txt and .text; leaves out hidden folders, node_modules, dist and coverage.
The answer goes to standard output, progress and problems to standard error.

Exit status
  0    answered
  1    nothing in the folder answers the question
  2    wrong use: an unknown option, an empty question
  66   nothing to read: no such folder, or no readable document in it
  130  interrupted with Ctrl-C
`;

/**
 * Reads the command line.
 *
 * @throws CommandError with the status `wrongUse`
 */
export function parseCommandLine(args: readonly string[]): CommandLine {
  let values: { dir?: string; question?: string; draw?: boolean; planner?: boolean; help?: boolean };
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        dir: { type: "string" },
        question: { type: "string" },
        draw: { type: "boolean" },
        planner: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    }));
  } catch (error) {
    throw wrongUse(firstSentence(error as Error));
  }
  if (values.dir?.trim() === "") throw wrongUse(`Option "--dir" must name a folder: got ""`);
  if (values.question !== undefined) requireQuestion(values.question, `Option "--question"`);
  const { dir, question, draw = false, planner = false, help = false } = values;
  return { dir, question, draw, planner, help };
}

/**
 * Rejects a text without a searchable word.
 *
 * @throws CommandError with the status `wrongUse`
 */
export function requireQuestion(text: string, source: string): void {
  if (/[\p{L}\p{N}]/u.test(text)) return;
  throw wrongUse(`${source} must hold at least one word: got ${JSON.stringify(text)}`);
}

function wrongUse(message: string): CommandError {
  return new CommandError(ExitStatus.wrongUse, `${message}\nRun "npm start -- --help" for its options`);
}

// the rest of Node's message advises about positional arguments, which this command does not take
function firstSentence(error: Error): string {
  const [sentence = error.message] = error.message.replaceAll("'", '"').split(/\. |\n/);
  return sentence.replace(/\.$/, "");
}
