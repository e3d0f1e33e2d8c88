// The pages of the documentation: every link and the heading it points to exists, every page keeps to its length, and
// every error code and event is explained somewhere in docs/reference.
import { existsSync } from "node:fs";
import path from "node:path";
import { conclude, files, read, root } from "./workspace.ts";

const maximumLines: ReadonlyArray<readonly [page: string, lines: number]> = [
  ["README.md", 120],
  ["ARCHITECTURE.md", 150],
  ["AGENTS.md", 80],
  ["docs/decisions/*.md", 60],
];

const problems: string[] = [];
const pages = files("**/*.md").filter((page) => !/(^|\/)(api\/[^/]+\.api|CHANGELOG)\.md$|^\.changeset\//.test(page));

/** The lines of a page with the inside of its code blocks blanked, so that line numbers stay. */
function proseOf(page: string): string[] {
  let fence: string | undefined;
  return read(page)
    .split("\n")
    .map((line) => {
      const mark = /^\s*(`{3,}|~{3,})/.exec(line)?.[1];
      if (fence === undefined && mark === undefined) return line;
      if (fence === undefined) fence = mark;
      else if (mark?.startsWith(fence)) fence = undefined;
      return "";
    });
}

for (const [pattern, lines] of maximumLines) {
  for (const page of files(pattern)) {
    const length = read(page).trimEnd().split("\n").length;
    if (length > lines) problems.push(`${page}:${lines + 1} Page is too long: at most ${lines} lines, got ${length}`);
  }
}

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(page: string): Set<string> {
  const seen = new Map<string, number>();
  const anchors = new Set<string>();
  for (const line of proseOf(page)) {
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

let links = 0;
for (const page of pages) {
  for (const [index, line] of proseOf(page).entries()) {
    const prose = line.replaceAll(/`[^`]*`/g, "");
    const targets = [
      ...prose.matchAll(/\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)/g),
      ...prose.matchAll(/^\[[^\]]+\]:\s+(\S+)/g),
    ];
    for (const [, target = ""] of targets) {
      if (/^[a-z][a-z+.-]*:/i.test(target)) continue;
      links += 1;
      const [file = "", anchor] = decodeURI(target).split("#");
      const found = file === "" ? page : path.posix.join(path.posix.dirname(page), file);
      if (!existsSync(path.join(root, found))) {
        problems.push(`${page}:${index + 1} Link leads nowhere: "${target}"`);
      } else if (anchor !== undefined && found.endsWith(".md") && !anchorsOf(found).has(anchor)) {
        problems.push(`${page}:${index + 1} Link leads to no heading of "${found}": "#${anchor}"`);
      }
    }
  }
}

const matches = (pattern: string, shape: RegExp): string[] =>
  files(pattern).flatMap((file) => [...read(file).matchAll(shape)].map(([, word = ""]) => word));

const reference = files("docs/reference/**/*.md").map(read).join("\n");
const vocabulary = new Set([
  ...matches("packages/core/src/foundation/flow-error.ts", /^ {2}([A-Z_]+): "\1",$/gm),
  ...matches("packages/core/src/events/flow-event.ts", /\btype: "([a-z_]+)"/g),
]);
for (const word of reference === "" ? [] : vocabulary) {
  if (!new RegExp(`\\b${word}\\b`).test(reference)) problems.push(`docs/reference does not explain "${word}"`);
}

conclude(problems, `${pages.length} pages, ${links} links, ${reference === "" ? 0 : vocabulary.size} codes and events`);
