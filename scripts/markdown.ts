// Parses the parts of Markdown that the scripts need: prose and code blocks, headings, links, tables.
import path from "node:path";
import { read } from "./workspace.ts";

/** A link on a page. */
export interface Link {
  /** Line number, from 1. */
  readonly line: number;
  /** Target as written: a path, `#heading`, or both. */
  readonly target: string;
  /** Target file, relative to the root; the page itself for `#heading`. */
  readonly file: string;
  readonly heading: string | undefined;
}

/** Blanks the inside of code blocks and keeps the line numbers. */
export function proseOf(text: string): string[] {
  let fence: string | undefined;
  return text.split("\n").map((line) => {
    const mark = /^\s*(`{3,}|~{3,})/.exec(line)?.[1];
    if (fence === undefined && mark === undefined) return line;
    if (fence === undefined) fence = mark;
    else if (mark?.startsWith(fence)) fence = undefined;
    return "";
  });
}

/** Returns the lines inside a page's code blocks, as the site shows them; drawings are no code. */
export function codeOf(page: string): Array<{ readonly line: number; readonly code: string }> {
  const lines = read(page).split("\n");
  const found: Array<{ readonly line: number; readonly code: string }> = [];
  let fence: string | undefined;
  let isDrawing = false;
  for (const [index, code] of lines.entries()) {
    const [, mark, language] = /^\s*(`{3,}|~{3,})\s*(\w*)/.exec(code) ?? [];
    if (fence === undefined && mark !== undefined) {
      fence = mark;
      isDrawing = language === "mermaid";
    } else if (fence !== undefined && mark?.startsWith(fence)) {
      fence = undefined;
    } else if (fence !== undefined && !isDrawing) {
      found.push({ line: index + 1, code });
    }
  }
  return found;
}

/** Returns the anchors of a page's headings, as GitHub makes them. */
export function anchorsOf(page: string): Set<string> {
  const seen = new Map<string, number>();
  const anchors = new Set<string>();
  for (const line of proseOf(read(page))) {
    const heading = /^#{1,6}\s+(.*?)\s*#*$/.exec(line)?.[1];
    if (heading === undefined) continue;
    const slug = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\p{M}\- _]/gu, "")
      .replaceAll(" ", "-");
    const count = seen.get(slug) ?? 0;
    seen.set(slug, count + 1);
    anchors.add(count === 0 ? slug : `${slug}-${count}`);
  }
  return anchors;
}

/** Resolves the target of a link on a page; `undefined` for an external address. */
export function resolveLink(page: string, target: string): Pick<Link, "file" | "heading"> | undefined {
  if (/^[a-z][a-z+.-]*:/i.test(target)) return undefined;
  const [file = "", heading] = decodeURI(target).split("#");
  return { file: file === "" ? page : path.posix.join(path.posix.dirname(page), file), heading };
}

/** Lists the links of a page to files of the repository. */
export function linksOf(page: string): Link[] {
  return proseOf(read(page)).flatMap((line, index) => {
    const prose = line.replaceAll(/`[^`]*`/g, "");
    const targets = [
      ...prose.matchAll(/\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)/g),
      ...prose.matchAll(/^\[[^\]]+\]:\s+(\S+)/g),
    ];
    return targets.flatMap(([, target = ""]) => {
      const found = resolveLink(page, target);
      return found === undefined ? [] : [{ line: index + 1, target, ...found }];
    });
  });
}

/** Replaces each link of a page by the result of `replace`; `undefined` leaves only its text. */
export function withLinks(
  page: string,
  replace: (link: Pick<Link, "target" | "file" | "heading">) => string | undefined,
): string {
  const prose = proseOf(read(page));
  return read(page)
    .split("\n")
    .map((line, index) => {
      if (prose[index] === "") return line;
      return line.replaceAll(/\[((?:[^[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)/g, (whole, words: string, target: string) => {
        const found = resolveLink(page, target);
        if (found === undefined) return whole;
        const next = replace({ target, ...found });
        return next === undefined ? words : `[${words}](${next})`;
      });
    })
    .join("\n");
}

/** Reads the rows of the tables on a page, or in the section of a heading: the cells of each, without the head. */
export function rowsOf(page: string, under?: string): string[][] {
  const rows: string[][] = [];
  let depth = under === undefined ? 0 : Infinity;
  let body = false;
  for (const line of proseOf(read(page))) {
    const [, marks = "", heading] = /^(#{1,6})\s+(.*)$/.exec(line) ?? [];
    if (heading === under && heading !== undefined) depth = marks.length;
    else if (marks !== "" && marks.length <= depth) depth = under === undefined ? 0 : Infinity;
    else if (depth === Infinity || !line.startsWith("|")) body = false;
    else if (/^\|[\s:|-]+\|$/.test(line)) body = true;
    else if (body) rows.push(cellsOf(line));
  }
  return rows;
}

/** Extracts the code spans of a cell. */
export function codeIn(cell: string): string[] {
  return Array.from(cell.matchAll(/`([^`]+)`/g), ([, code = ""]) => code);
}

function cellsOf(line: string): string[] {
  return line
    .replaceAll("\\|", "\u0000")
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.replaceAll("\u0000", "|").trim());
}
