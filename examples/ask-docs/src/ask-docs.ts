import path from "node:path";
import process from "node:process";
import { styleText } from "node:util";
import { flowToMermaid, type StreamChunk } from "penguiflow";
import { createAnsweringFlow, createRetrievingFlow } from "./answering-flow.ts";
import { chooseQuestion } from "./choose-question.ts";
import type { CommandLine } from "./command-line.ts";
import { CommandError, ExitStatus } from "./exit-status.ts";
import { type Documents, findDocuments, type Skipped } from "./find-documents.ts";
import { indexDocuments } from "./index-documents.ts";
import { createIndexingFlow } from "./indexing-flow.ts";
import { Library } from "./library.ts";
import { printQuestion, printSentence, printSources } from "./print-answer.ts";
import { plannedAnswer } from "./planned-answer.ts";
import { printable } from "./printable.ts";
import { Progress } from "./progress.ts";

const OWN_REPOSITORY = path.resolve(import.meta.dirname, "../../..");
const OWN_QUESTION = "What happens when an edge is full?";
const MAX_FILES = 10_000;

/**
 * Executes the command line: the answer goes to standard output, everything else to standard error.
 *
 * @throws CommandError when there is nothing to read; the signal's reason
 */
export async function askDocs(commandLine: CommandLine, signal: AbortSignal): Promise<ExitStatus> {
  if (commandLine.draw) drawFlows();

  // npm runs scripts in the package's folder and exports the folder of its caller
  const here = process.env["INIT_CWD"] ?? process.cwd();
  const folder = commandLine.dir === undefined ? OWN_REPOSITORY : path.resolve(here, commandLine.dir);
  const library = new Library();
  const documents = await findDocuments(folder, MAX_FILES, signal);
  const skipped = [...documents.skipped, ...(await index(folder, documents, library, signal))];

  if (library.size === 0) {
    listSkipped(skipped);
    const why = skipped.length > 0 ? "none of its documents could be read" : `it holds no Markdown or text file`;
    throw new CommandError(ExitStatus.noInput, `Cannot answer from "${printable(folder)}": ${why}`);
  }
  const suggestion =
    commandLine.dir === undefined ? OWN_QUESTION : `What is "${library.title ?? path.basename(folder)}" about?`;
  const question = commandLine.question ?? (await chooseQuestion(suggestion, signal));
  const isAnswered = await (commandLine.planner ? answerByPlanner : answer)(question, library, signal);
  listSkipped(skipped);
  if (isAnswered) return ExitStatus.answered;
  throw new CommandError(
    ExitStatus.nothingFound,
    `Cannot answer ${JSON.stringify(printable(question))}: nothing in "${printable(folder)}" matches it; try other words`,
  );
}

function drawFlows(): void {
  for (const [name, flow] of Object.entries({
    indexing: createIndexingFlow(),
    answering: createAnsweringFlow(),
    "retrieving, which plan calls": createRetrievingFlow(),
  })) {
    process.stdout.write(`Flow ${name}:\n\n\`\`\`mermaid\n${flowToMermaid(flow).trimEnd()}\n\`\`\`\n\n`);
  }
}

async function index(
  folder: string,
  { files }: Documents,
  library: Library,
  signal: AbortSignal,
): Promise<readonly Skipped[]> {
  if (files.length === 0) return [];
  const startedAt = performance.now();
  const progress = new Progress(process.stderr);
  process.stderr.write(`Reading ${counted(files.length, "file")} of ${printable(folder)}\n`);
  try {
    const skipped = await indexDocuments(files, library, {
      signal,
      onProgress: (done, { name }) =>
        progress.show(
          `Indexing ${done} of ${counted(files.length, "file")}, ${counted(library.size, "passage")}: ${name}`,
        ),
    });
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
    const indexed = counted(files.length - skipped.length, "file");
    progress.end(`Indexed ${indexed}, ${counted(library.size, "passage")} in ${seconds} s`);
    return skipped;
  } catch (error) {
    progress.end();
    throw error;
  }
}

async function answer(question: string, library: Library, signal: AbortSignal): Promise<boolean> {
  await using flow = createAnsweringFlow();
  flow.run({ resources: { library } });

  let isAnswered = false;
  for await (const item of flow.stream(question, { signal })) {
    if (item.type === "chunk") {
      printChunk(item.chunk, question);
    } else if (item.type === "result") {
      isAnswered = item.result.citations.length > 0;
      if (isAnswered) printSources(process.stdout, item.result);
    }
  }
  return isAnswered;
}

async function answerByPlanner(question: string, library: Library, signal: AbortSignal): Promise<boolean> {
  const { text, searches, isAnswered } = await plannedAnswer(question, library, signal);
  for (const words of searches)
    process.stderr.write(
      `${styleText("dim", `The planner searches for: ${printable(words)}`, { stream: process.stderr })}\n`,
    );
  if (!isAnswered) return false;
  printQuestion(process.stdout, question);
  // by line: printable text has none
  for (const line of text.split("\n")) process.stdout.write(`  ${printable(line)}\n`);
  return true;
}

function printChunk(chunk: StreamChunk, question: string): void {
  // the runtime ends each stream with a chunk that may be empty
  if (chunk.text === "") return;
  if (chunk.node === "plan") {
    process.stderr.write(`${styleText("dim", chunk.text, { stream: process.stderr })}\n`);
  } else {
    if (chunk.seq === 0) printQuestion(process.stdout, question);
    printSentence(process.stdout, chunk);
  }
}

function listSkipped(skipped: readonly Skipped[]): void {
  if (skipped.length === 0) return;
  const lines = skipped.map(({ name, reason }) => `  ${name}: ${reason}\n`);
  process.stderr.write(`\nLeft out ${skipped.length}:\n${lines.join("")}`);
}

function counted(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? "" : "s"}`;
}
