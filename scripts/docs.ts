// `npm run docs`: builds the documentation as a static site in site/.vitepress/dist. Lays out the pages, generates the
// API pages with TypeDoc, and builds both with VitePress. Reads everything from the repository; llms.txt gives the
// order of the pages.
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { readCommandLine } from "./command-line.ts";
import { installFolder } from "./install-folder.ts";
import { linksOf, withLinks } from "./markdown.ts";
import { files, publishedPackages, read, root, run, type Package } from "./workspace.ts";

const usage = `Usage: npm run docs -- [--base /path/] [--serve]

  --base    the path under which the site will be published; by default "/"
  --serve   after building, show it at http://127.0.0.1:4173`;

const site = path.join(root, "site");
const content = path.join(site, ".scratch");
const built = path.join(site, ".vitepress/dist");

/** Returns the site path of a page of the repository; `undefined` when the site lacks it. */
function pageOf(file: string): string | undefined {
  if (file === "README.md") return "index.md";
  if (file === "docs/README.md") return "all.md";
  if (file.startsWith("docs/")) return file.slice("docs/".length);
  const [, name] = /^([A-Z]+)\.md$/.exec(file) ?? [];
  if (name !== undefined && name !== "AGENTS") return `project/${name.toLowerCase()}.md`;
  const [, app] = /^(apps\/[\w-]+)\/FLOWS\.md$/.exec(file) ?? [];
  if (app !== undefined) return `${app}/flows.md`;
  const [, folder] =
    /^((?:apps|packages|bench|findings)(?:\/[\w-]+)?|examples(?:\/[\w-]+)*)\/README\.md$/.exec(file) ?? [];
  return folder === undefined ? undefined : `${folder}/index.md`;
}

/** Returns the site path of a linked file: a page, or a source shown as one. */
function placeOf(file: string): string | undefined {
  const readme = path.posix.join(file, "README.md");
  const page = pageOf(file) ?? (existsSync(path.join(root, readme)) ? pageOf(readme) : undefined);
  if (page !== undefined) return page;
  const found = path.join(root, file);
  return existsSync(found) && statSync(found).isFile() ? `source/${file}.md` : undefined;
}

function write(place: string, text: string): void {
  const target = path.join(content, place);
  mkdirSync(path.dirname(target), { recursive: true });
  writeFileSync(target, text);
}

/** Translates a page for the site by rewriting its links. */
function translated(file: string, place: string): string {
  return withLinks(file, (link) => {
    const target = placeOf(link.file);
    if (target === undefined) return undefined;
    const relative = path.posix.relative(path.posix.dirname(place), target);
    return `${relative.startsWith(".") ? "" : "./"}${relative}${link.heading === undefined ? "" : `#${link.heading}`}`;
  });
}

/** Writes the front page's sentence with the measured speed of a hop, from the page of benchmarks. */
function figure(): string {
  const page = "docs/reference/benchmarks.md";
  const [, row = ""] = /^\*\*linear-10\*\*:.*?^\| (penguiflow\b.*?)$/ms.exec(read(page)) ?? [];
  const [, hops, , share] = row.split("|").map((cell) => cell.trim());
  if (!hops?.endsWith(" hops/s") || share === undefined) throw new Error(`Cannot read "linear-10" of ${page}`);
  const speed = `**${hops.replace("hops/s", "hops a second")}** through ten nodes in a line`;
  return `Measured: ${speed}, ${share} the speed of a bare chain of awaits. [All benchmarks](./${pageOf(page)})`;
}

/** Writes all pages, and every source that a page links to. */
function layOut(): void {
  rmSync(content, { recursive: true, force: true });
  const sources = new Set<string>();
  for (const file of files("**/*.md")) {
    const place = pageOf(file);
    if (place === undefined) continue;
    const source = file === "README.md" ? "site/home.md" : file;
    const text = translated(source, place);
    write(place, place === "index.md" ? text.replace("<!-- figure -->", figure()) : text);
    for (const link of linksOf(source)) {
      if (placeOf(link.file)?.startsWith("source/")) sources.add(link.file);
    }
  }
  for (const file of sources) {
    const kind = path.extname(file).slice(1);
    const fence = "`".repeat(6);
    const name = path.posix.basename(file);
    const head = `---\nsearch: false\naside: false\neditLink: false\n---\n\n# ${name}\n\n\`${file}\`\n\n`;
    write(`source/${file}.md`, `${head}${fence}${kind === "svg" ? "xml" : kind}\n${read(file).trimEnd()}\n${fence}\n`);
  }
  for (const file of files("docs/**/*.{svg,png}")) {
    cpSync(path.join(root, file), path.join(content, file.slice("docs/".length)));
  }
  cpSync(path.join(site, "logo.svg"), path.join(content, "public/logo.svg"));
}

interface SidebarItem {
  readonly text: string;
  readonly link?: string;
  readonly items?: readonly SidebarItem[];
  readonly collapsed?: boolean;
}

/** Builds the site's menu from the sections of llms.txt and their links. */
function menu(): SidebarItem[] {
  return read("llms.txt")
    .split(/^## /m)
    .slice(1)
    .map((section) => {
      const [title = "", ...lines] = section.split("\n");
      const items = lines.flatMap((line) => {
        const [, text, file = ""] = /^- \[(.*?)\]\((.*?)\)/.exec(line) ?? [];
        const page = pageOf(file);
        return text === undefined || page === undefined ? [] : [{ text, link: `/${page.replace(/\.md$/, "")}` }];
      });
      return title === "Optional" ? { text: "Decisions", items, collapsed: true } : { text: title, items };
    });
}

/** Writes a module for each entry point of a package, under its import name. */
function writeEntries({ folder, name, manifest }: Package): void {
  for (const [subpath, target] of Object.entries(manifest.exports ?? {})) {
    if (typeof target === "string") continue;
    const entry = path.posix.join(name, subpath);
    const source = path.join(root, folder, (target as { "@penguiflow/source"?: string })["@penguiflow/source"] ?? "");
    write(`entries/${entry}.ts`, `/** @module ${entry} */\nexport * from ${JSON.stringify(source)};\n`);
  }
}

async function must(what: string, program: string, ...args: string[]): Promise<void> {
  const { status, output } = await run(process.execPath, [path.join(site, "node_modules", program), ...args], {
    cwd: site,
  });
  if (status !== 0) throw new Error(`${what} fails:\n${output.trimEnd()}`);
}

const say = (line: string): void => void process.stdout.write(`${line}\n`);

const { base, serve } = readCommandLine(usage, {
  base: { type: "string", default: "/" },
  serve: { type: "boolean" },
}).values;
const startedAt = performance.now();
if (!(await installFolder("site", "what builds the site"))) process.exit();
layOut();
publishedPackages().forEach(writeEntries);
say("Writing the pages of the API");
await must("TypeDoc", "typedoc/bin/typedoc");
write("menu.json", JSON.stringify(menu()));
process.env["DOCS_BASE"] = base;
say("Building the site (a minute or two)");
await must("VitePress", "vitepress/bin/vitepress.js", "build");

// For agents: the same pages as text, and their list.
for (const place of readdirSync(content, { recursive: true, encoding: "utf8" })) {
  if (place.endsWith(".md") && !place.startsWith("source")) cpSync(path.join(content, place), path.join(built, place));
}
writeFileSync(path.join(built, "llms.txt"), translated("llms.txt", "llms.txt"));

const count = readdirSync(built, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".html")).length;
const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
say(`${count} pages in site/.vitepress/dist, built in ${seconds} s`);
if (serve === true) {
  say("http://127.0.0.1:4173 (Ctrl-C ends)");
  await must("Serving", "vitepress/bin/vitepress.js", "preview", "--host", "127.0.0.1");
}
