import { printable } from "./printable.ts";
import { stripMarkup } from "./strip-markup.ts";

/** A paragraph, list item or table row as plain text ("prose"), or a fenced block as it stands ("code"). */
export interface Block {
  readonly kind: "prose" | "code";
  /** Text with the line breaks of the file. */
  readonly text: string;
  /** Number of its first line, from 1. */
  readonly line: number;
}

/** Unit of search and citation: some blocks of a document under one heading. */
export interface Passage {
  /** Name of the document. */
  readonly file: string;
  readonly startLine: number;
  readonly endLine: number;
  /** Headings, from the document's title down to the one above the passage. */
  readonly headings: readonly string[];
  readonly blocks: readonly Block[];
}

/** Length from which on the next block begins a new passage. */
const PASSAGE_LENGTH = 700;
/** Maximum length of a block; a longer one is cut, between lines where it has any. */
const BLOCK_LENGTH = 4_000;
/** Maximum length of a heading, which every passage below repeats. */
const HEADING_LENGTH = 200;

/** Splits Markdown, or plain text, into passages. */
export function splitDocument(file: string, text: string): Passage[] {
  const passages: Passage[] = [];
  const headings: Heading[] = [];
  let blocks: Block[] = [];
  let length = 0;

  const closePassage = () => {
    const [first] = blocks;
    const last = blocks.at(-1);
    if (first === undefined || last === undefined) return;
    const endLine = last.line + last.text.split("\n").length - 1;
    passages.push({ file, startLine: first.line, endLine, headings: headings.map((heading) => heading.text), blocks });
    blocks = [];
    length = 0;
  };

  for (const part of readParts(printable(text.replaceAll(/\r\n?/g, "\n")).split("\n"))) {
    if (part.kind === "heading") {
      closePassage();
      while ((headings.at(-1)?.level ?? 0) >= part.level) headings.pop();
      headings.push(part);
    } else {
      if (length >= PASSAGE_LENGTH) closePassage();
      blocks.push(part);
      length += part.text.length;
    }
  }
  closePassage();
  return passages;
}

interface Heading {
  readonly kind: "heading";
  readonly level: number;
  readonly text: string;
}

// Documents are untrusted input: each pattern takes time proportional to the line, whatever its content.
const FENCE = /^\s*(?:[-*+>]\s+)?(`{3,}|~{3,})/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*)$/;
const UNDERLINE = /^ {0,3}(?:=+|-{2,})\s*$/;
const RULE = /^ {0,3}(?:(?:-\s*){3,}|(?:\*\s*){3,}|(?:_\s*){3,})$/;
const LIST_MARK = /^\s*(?:[-*+]|\d{1,9}[.)])\s+(?:\[[ xX]\]\s+)?/;
const TABLE_ROW = /^\s*\|.*\|\s*$/;
const TABLE_RULE = /^[\s:|-]*$/;

function* readParts(lines: readonly string[]): Generator<Block | Heading> {
  let paragraph: string[] = [];

  // `next` is the index of the line after the paragraph
  function* closeParagraph(next: number): Generator<Block> {
    const blocks = blocksOf("prose", paragraph, next - paragraph.length + 1);
    paragraph = [];
    for (const block of blocks) {
      const text = stripMarkup(block.text);
      if (/[\p{L}\p{N}]/u.test(text)) yield { ...block, text };
    }
  }

  for (let index = firstLineAfterFrontMatter(lines); index < lines.length; index++) {
    const line = lines[index] ?? "";
    const fence = FENCE.exec(line)?.[1];
    const heading = HEADING.exec(line);
    if (fence !== undefined) {
      yield* closeParagraph(index);
      const begin = index + 1;
      do index++;
      while (index < lines.length && !closesFence(lines[index] ?? "", fence));
      yield* blocksOf("code", lines.slice(begin, index), begin + 1);
    } else if (heading !== null) {
      yield* closeParagraph(index);
      yield headingOf(heading[1]?.length ?? 1, heading[2] ?? "");
    } else if (paragraph.length === 1 && UNDERLINE.test(line)) {
      yield headingOf(line.includes("=") ? 1 : 2, paragraph[0] ?? "");
      paragraph = [];
    } else if (line.trim() === "" || RULE.test(line) || (TABLE_RULE.test(line) && line.includes("-"))) {
      yield* closeParagraph(index);
    } else if (TABLE_ROW.test(line)) {
      yield* closeParagraph(index);
      paragraph = [cellsOf(line)];
      yield* closeParagraph(index + 1);
    } else if (LIST_MARK.test(line)) {
      yield* closeParagraph(index);
      paragraph = [line.replace(LIST_MARK, "")];
    } else {
      paragraph.push(line.replace(/^\s*(?:>\s?)*/, ""));
    }
  }
  yield* closeParagraph(lines.length);
}

function headingOf(level: number, markdown: string): Heading {
  const text = stripMarkup(markdown.trim().replace(/\s#+$/, "").slice(0, HEADING_LENGTH));
  return { kind: "heading", level, text: text.trim() };
}

function closesFence(line: string, fence: string): boolean {
  const mark = line.trim();
  return mark.startsWith(fence) && mark === fence.charAt(0).repeat(mark.length);
}

function firstLineAfterFrontMatter(lines: readonly string[]): number {
  if (lines[0] !== "---") return 0;
  return lines.indexOf("---", 1) + 1;
}

function cellsOf(row: string): string {
  const cells = row
    .trim()
    .slice(1, -1)
    .split(/(?<!\\)\|/);
  return cells
    .map((cell) => cell.trim())
    .filter((cell) => cell !== "")
    .join(" — ");
}

function blocksOf(kind: Block["kind"], lines: readonly string[], firstLine: number): Block[] {
  const blocks: Block[] = [];
  let text = "";
  let begin = firstLine;
  const close = (next: number) => {
    if (text.trim() !== "") blocks.push({ kind, text, line: begin });
    text = "";
    begin = next;
  };
  for (const [offset, line] of lines.entries()) {
    if (text !== "" && text.length + line.length > BLOCK_LENGTH) close(firstLine + offset);
    text += offset + firstLine === begin ? line : `\n${line}`;
    while (text.length > BLOCK_LENGTH) {
      const space = text.lastIndexOf(" ", BLOCK_LENGTH);
      const end = space > 0 ? space : BLOCK_LENGTH;
      const rest = text.slice(space > 0 ? end + 1 : end);
      text = text.slice(0, end);
      close(firstLine + offset);
      text = rest;
    }
  }
  close(firstLine + lines.length);
  return blocks;
}
