// Checks the code in the documentation: compiles and runs every `ts` block and compares its output with the comments
// beside its `console.log` calls. A block fenced as `ts no-run` is compiled only. With a word, as in `node
// scripts/snippets.ts agent-`, only pages whose path contains it.
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { bin, conclude, files, read, run, scratchFolder } from "./workspace.ts";

const runLimitMs = 30_000;
const problems: string[] = [];

/** A code block, stored at its line of the page, so that compiler errors point into the page. */
interface Snippet {
  readonly page: string;
  readonly line: number;
  readonly file: string;
  readonly runs: boolean;
  /** Expected output, by line of the page. */
  readonly claims: ReadonlyMap<number, string>;
}

const scratch = scratchFolder("snippets");

function snippetsOf(page: string): Snippet[] {
  const snippets: Snippet[] = [];
  const lines = read(page).split("\n");
  for (let start = 0; start < lines.length; start += 1) {
    const [, indent, words] = /^(\s*)```ts\b(.*)$/.exec(lines[start] ?? "") ?? [];
    if (indent === undefined || words === undefined) continue;
    const end = lines.indexOf(`${indent}\`\`\``, start);
    if (end === -1) {
      problems.push(`${page}:${start + 1} Code block is never closed`);
      break;
    }
    const code = lines.slice(start + 1, end).map((line) => line.slice(indent.length));
    const file = `${page.replaceAll("/", "__")}.${start + 1}.ts`;
    writeFileSync(path.join(scratch, file), `${"\n".repeat(start + 1)}${code.join("\n")}\n`);
    const claims = claimsIn(code, start + 2);
    snippets.push({ page, line: start + 1, file, runs: !words.split(/\s+/).includes("no-run"), claims });
    start = end;
  }
  return snippets;
}

/** Finds the comments after a `console.log`: on the line it ends on, or on the lines below it. */
function claimsIn(code: readonly string[], firstLine: number): Map<number, string> {
  const claims = new Map<number, string>();
  for (const [start, line] of code.entries()) {
    const [, indent, said] = /^(\s*).*\bconsole\.log\((.*)$/.exec(line) ?? [];
    if (indent === undefined || said === undefined) continue;
    const isOneLine = /\)[;,]?(\s+\/\/ .+)?$/.test(said);
    const end = isOneLine ? start : code.findIndex((next, at) => at > start && /^\s*/.exec(next)?.[0] === indent);
    const [, beside] = /^.*?\)[;,]?\s+\/\/ (.+)$/.exec(code[end] ?? "") ?? [];
    const after = code.slice(end + 1);
    const lines = after.findIndex((next) => !/^\s*\/\/ ./.test(next));
    const below = after.slice(0, lines === -1 ? undefined : lines).map((next) => next.trim().slice(3));
    const claim = (beside ?? below.join(" ")).replaceAll(/\s+/g, " ");
    if (claim !== "") claims.set(firstLine + end, claim);
  }
  return claims;
}

/**
 * Whether an output contains the parts of a claim, in order. Parts end at commas and at `…`; a remark may follow `: `.
 */
function bears(output: string, claim: string): boolean {
  const printed = output.replaceAll(/\s+/g, " ");
  const remark = claim.lastIndexOf(": ");
  return [claim, ...(remark === -1 ? [] : [claim.slice(0, remark)])].some((said) => {
    let from = 0;
    return said.split(/,\s|…/).every((part) => {
      const at = printed.indexOf(part.trim(), from);
      from = at + part.trim().length;
      return at !== -1;
    });
  });
}

/** Rewrites output about a snippet so that it points to its page. */
function inTermsOfPages(output: string): string {
  return output
    .replaceAll(/\S*?([\w.-]+\.md)\.\d+\.ts/g, (_, page: string) => page.replaceAll("__", "/"))
    .replaceAll(/\.md\((\d+),(\d+)\): /g, ".md:$1:$2 ")
    .trim();
}

const snippets = ["{README,CONTRIBUTING,ARCHITECTURE,site/home}.md", "docs/**/*.md", "{apps,packages}/*/README.md"]
  .flatMap(files)
  .filter((page) => page.includes(process.argv[2] ?? ""))
  .flatMap(snippetsOf);

if (snippets.length > 0) {
  const config = {
    extends: "../../tsconfig.base.json",
    compilerOptions: {
      noEmit: true,
      noUnusedLocals: false,
      noUnusedParameters: false,
      skipLibCheck: true,
      customConditions: ["@penguiflow/source"],
    },
    include: ["*.ts"],
  };
  writeFileSync(path.join(scratch, "tsconfig.json"), JSON.stringify(config));
  const checked = await run(bin("tsc"), ["--project", scratch, "--pretty", "false"]);
  if (checked.status !== 0) problems.push(inTermsOfPages(checked.output));
}

const waiting = snippets.filter((snippet) => snippet.runs);
const ran = waiting.length;
let claims = 0;
const desk = path.join(scratch, "desk");
mkdirSync(desk);

async function runSnippets(): Promise<void> {
  for (let snippet = waiting.shift(); snippet !== undefined; snippet = waiting.shift()) {
    const args = ["--conditions=@penguiflow/source", path.join(scratch, snippet.file)];
    const result = await run(process.execPath, args, { cwd: desk, timeoutMs: runLimitMs });
    if (result.status !== 0) {
      problems.push(`${snippet.page}:${snippet.line} Code block fails when it runs:\n${inTermsOfPages(result.output)}`);
      continue;
    }
    for (const [line, claim] of snippet.claims) {
      claims += 1;
      if (bears(result.output, claim)) continue;
      problems.push(`${snippet.page}:${line} Code block must print "${claim}", got:\n${result.output.trimEnd()}`);
    }
  }
}
await Promise.all([runSnippets(), runSnippets()]);

conclude(problems, `${snippets.length} code blocks compiled, ${ran} run, ${claims} outputs as said`);
