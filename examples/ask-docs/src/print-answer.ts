import { styleText } from "node:util";
import type { WriteStream } from "node:tty";
import type { FinalAnswer, StreamChunk } from "penguiflow";
import type { Citation } from "./answering-flow.ts";
import { printable } from "./printable.ts";
import { wrap } from "./wrap.ts";

/** Prints the question above the answer. */
export function printQuestion(stream: WriteStream, question: string): void {
  stream.write(`${stream.isTTY ? "\n" : ""}${styleText("bold", printable(question), { stream })}\n\n`);
}

/** Prints one sentence of the answer as it arrives, with a dimmed citation on a terminal. */
export function printSentence(stream: WriteStream, chunk: StreamChunk): void {
  const lines = wrap(chunk.text.trimEnd(), stream.isTTY ? stream.columns : Number.POSITIVE_INFINITY, "  ");
  const { citation } = chunk.meta;
  const shown = typeof citation === "string" ? dimmed(stream, lines, `(${citation})`) : lines;
  stream.write(`${shown}\n`);
}

/** Prints the sources of the answer, the best passage first. */
export function printSources(stream: WriteStream, answer: FinalAnswer<Citation>): void {
  stream.write(`\n${styleText("bold", "Sources", { stream })}\n`);
  for (const { file, startLine, endLine, headings, worth } of answer.citations) {
    const place = `${file}:${startLine}${endLine > startLine ? `-${endLine}` : ""}`;
    const path = styleText("dim", headings.join(" › "), { stream });
    stream.write(
      `${String(Number(worth.toPrecision(3))).padStart(7)}  ${place}${headings.length > 0 ? `  ${path}` : ""}\n`,
    );
  }
}

// a citation that wraps over two lines stays undimmed
function dimmed(stream: WriteStream, text: string, citation: string): string {
  return text.endsWith(citation) ? `${text.slice(0, -citation.length)}${styleText("dim", citation, { stream })}` : text;
}
