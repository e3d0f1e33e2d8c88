// Checks the pages of the documentation: every link and its heading exist, every page keeps to its length, and no code
// block scrolls sideways on the site. The reference names exactly what the code has, and both indexes list every page.
import { existsSync } from "node:fs";
import path from "node:path";
import { anchorsOf, codeIn, codeOf, linksOf, rowsOf } from "./markdown.ts";
import { conclude, files, read, root } from "./workspace.ts";

const maximumLines: ReadonlyArray<readonly [page: string, lines: number]> = [
  ["README.md", 120],
  ["ARCHITECTURE.md", 150],
  ["AGENTS.md", 80],
  ["docs/decisions/*.md", 60],
];

const problems: string[] = [];
const pages = [...files("**/*.md"), ...files("**/llms.txt")].filter(
  (page) =>
    !/(^|\/)(api\/[^/]+\.api|CHANGELOG)\.md$|^\.changeset\/|(^|\/)fixtures\/|^packages\/core\/(docs\/|llms)/.test(page),
);

for (const [pattern, lines] of maximumLines) {
  for (const page of files(pattern)) {
    const length = read(page).trimEnd().split("\n").length;
    if (length > lines) problems.push(`${page}:${lines + 1} Page is too long: at most ${lines} lines, got ${length}`);
  }
}

// The glossary stays short, and explains a word once.
const glossary = rowsOf("CONTRIBUTING.md", "Glossary").flatMap(([words = ""]) => [words.split(", ")]);
if (glossary.length === 0 || glossary.length > 60) {
  problems.push(`CONTRIBUTING.md has ${glossary.length} rows in its glossary: 1 to 60 are wanted`);
}
const explained = glossary.flat();
for (const [index, word] of explained.entries()) {
  if (explained.indexOf(word) !== index) problems.push(`CONTRIBUTING.md explains "${word}" twice in its glossary`);
}

/** Columns of a code block that fit the site at 1280 pixels beside the menu and the outline. */
const maximumColumns = 76;
const shownOnSite = [
  "docs/**/*.md",
  "{apps,packages,examples}/**/README.md",
  "{bench/README,CONTRIBUTING,ARCHITECTURE}.md",
];
for (const page of [...shownOnSite, "site/home.md"].flatMap(files)) {
  for (const { line, code } of codeOf(page)) {
    if (code.length <= maximumColumns) continue;
    problems.push(`${page}:${line} Code block is too wide: at most ${maximumColumns} columns, got ${code.length}`);
  }
}

let links = 0;
for (const page of pages) {
  for (const { line, target, file, heading } of linksOf(page)) {
    links += 1;
    if (!existsSync(path.join(root, file))) {
      problems.push(`${page}:${line} Link is broken: "${target}"`);
    } else if (heading !== undefined && file.endsWith(".md") && !anchorsOf(file).has(heading)) {
      problems.push(`${page}:${line} Link leads to no heading of "${file}": "#${heading}"`);
    }
  }
}

for (const index of ["docs/README.md", "llms.txt"]) {
  const listed = new Set([index, ...linksOf(index).map((link) => link.file)]);
  for (const page of files("docs/**/*.md")) {
    if (page !== "docs/README.md" && !listed.has(page)) problems.push(`${index} does not list "${page}"`);
  }
}

const reports = files("{apps,packages}/*/api/*.api.md").map(read).join("\n");
const events = read("packages/core/src/events/flow-event.ts");
let facts = 0;

/** Checks that a page names everything the code has, once, and nothing else. */
function compare(place: string, documented: readonly string[], inCode: Iterable<string>): void {
  const known = new Set(inCode);
  facts += known.size;
  if (known.size === 0) problems.push(`${place} is compared with nothing in the code`);
  for (const name of known) if (!documented.includes(name)) problems.push(`${place} does not explain "${name}"`);
  for (const [index, name] of documented.entries()) {
    if (!known.has(name)) problems.push(`${place} explains "${name}", which the code does not have`);
    else if (documented.indexOf(name) !== index) problems.push(`${place} explains "${name}" twice`);
  }
}

/** Collects the names in the first cells of a page's tables. */
const named = (page: string, under: string | undefined, shape: RegExp): string[] =>
  rowsOf(page, under).flatMap(([first = ""]) => codeIn(first).filter((name) => shape.test(name)));

const matches = (text: string, shape: RegExp): string[] => Array.from(text.matchAll(shape), ([, name = ""]) => name);

/** Lists the properties of a public interface. */
const membersOf = (name: string): string[] => {
  const found = new RegExp(`^export interface ${name}\\b([^\\n]*)\\{\\n(.*?)^\\}`, "ms").exec(reports);
  const extended = / extends (\w+)/.exec(found?.[1]?.replace(/^<.*?>/, "") ?? "")?.[1];
  const inherited = extended === undefined ? [] : membersOf(extended);
  return [...inherited, ...matches(found?.[2] ?? "", /^ {4}readonly (\w+)\??:/gm)];
};

compare(
  "docs/reference/errors.md",
  named("docs/reference/errors.md", undefined, /^[A-Z_]{4,}$/),
  matches(read("packages/core/src/foundation/flow-error.ts"), /^ {2}([A-Z_]+): "\1",$/gm),
);

for (const [heading, base] of [
  ["Of a trace", "EventBase"],
  ["Of a node", "NodeEventBase"],
] as const) {
  const page = "docs/reference/events.md";
  const rows = new Map(rowsOf(page, heading).map(([type = "", , fields = ""]) => [codeIn(type)[0] ?? "", fields]));
  const inCode = Array.from(events.matchAll(/ extends (\w+) \{\n(.*?)^\}/gms))
    .filter(([, extended]) => extended === base)
    .map(([, , body = ""]) => ({
      type: /type: "([a-z_]+)"/.exec(body)?.[1],
      fields: matches(body, /readonly (\w+)\??:/g).filter((field) => field !== "type"),
    }));
  const types = inCode.flatMap(({ type }) => type ?? []);
  compare(`${page}, "${heading}",`, [...rows.keys()], types);
  for (const { type, fields } of inCode) {
    if (type === undefined || fields.length === 0) continue;
    const documented = codeIn(rows.get(type) ?? "").map((field) => field.replace("?", ""));
    compare(`${page}, "${type}",`, documented, fields);
  }
}

compare(
  "docs/reference/events.md",
  named("docs/reference/events.md", "Metrics", /^penguiflow\./),
  matches(read("packages/core/src/events/metrics.ts"), /"(penguiflow\.[\w.]+)"/g),
);

for (const [heading, name] of [
  ["`create(…edges, options)`", "FlowOptions"],
  ["`policy`", "NodePolicy"],
  ["`flow.fetch(options)`, `ctx.fetch(options)`", "FetchOptions"],
] as const) {
  compare(
    `docs/reference/options.md, ${heading},`,
    named("docs/reference/options.md", heading, /^\w+$/),
    membersOf(name),
  );
}

// The list of exports names every value of every entry point. Types are too many: they have pages of their own.
const exported = matches(reports, /^export (?:function|const|class) (\w+)/gm);
const exportsPage = read("docs/reference/api.md");
for (const name of new Set(exported)) {
  facts += 1;
  if (!new RegExp(`\\b${name}\\b`).test(exportsPage)) problems.push(`docs/reference/api.md does not name "${name}"`);
}

// TypeScript names in the tables of the page for Python users must be in the API reports.
const page = "docs/coming-from-python.md";
const oursNot = new Set(["input"]);
for (const [python = "", typescript = ""] of rowsOf(page, "Names")) {
  for (const code of codeIn(typescript === "the same" ? python : typescript)) {
    for (const [name] of code.replaceAll(/"[^"]*"|penguiflow\/\w+/g, "").matchAll(/\b[A-Za-z]\w{3,}\b/g)) {
      facts += 1;
      if (!oursNot.has(name) && !new RegExp(`\\b${name}\\b`).test(reports)) {
        problems.push(`${page} has "${name}" for ${python}: the public API does not`);
      }
    }
  }
}

conclude(problems, `${pages.length} pages, ${links} links, ${facts} names compared with the code`);
