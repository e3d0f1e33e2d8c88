// Code in the documentation is checked like code: every `ts` block is compiled and run. A block that cannot run here is
// fenced as `ts no-run`; it is compiled all the same.
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { bin, conclude, files, read, run, scratchFolder } from "./workspace.ts";

const runLimitMs = 30_000;
const problems: string[] = [];

/** A code block, stored at the line it has on its page, so that an error's line is the page's line. */
interface Snippet {
  readonly page: string;
  readonly line: number;
  readonly file: string;
  readonly runs: boolean;
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
    snippets.push({ page, line: start + 1, file, runs: !words.split(/\s+/).includes("no-run") });
    start = end;
  }
  return snippets;
}

/** Output about a snippet as output about its page. */
function inTermsOfPages(output: string): string {
  return output
    .replaceAll(/\S*?([\w.-]+\.md)\.\d+\.ts/g, (_, page: string) => page.replaceAll("__", "/"))
    .replaceAll(/\.md\((\d+),(\d+)\): /g, ".md:$1:$2 ")
    .trim();
}

const snippets = ["{README,CONTRIBUTING,ARCHITECTURE}.md", "docs/**/*.md", "packages/*/README.md"]
  .flatMap(files)
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
const desk = path.join(scratch, "desk");
mkdirSync(desk);

async function runSnippets(): Promise<void> {
  for (let snippet = waiting.shift(); snippet !== undefined; snippet = waiting.shift()) {
    const args = ["--conditions=@penguiflow/source", path.join(scratch, snippet.file)];
    const result = await run(process.execPath, args, { cwd: desk, timeoutMs: runLimitMs });
    if (result.status === 0) continue;
    problems.push(`${snippet.page}:${snippet.line} Code block fails when it runs:\n${inTermsOfPages(result.output)}`);
  }
}
await Promise.all([runSnippets(), runSnippets()]);

conclude(problems, `${snippets.length} code blocks compiled, ${ran} run`);
