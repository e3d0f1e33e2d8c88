// Copies the documents into the package, where people and agents read them in node_modules. npm runs it before it packs
// packages/core, and with `--remove` afterwards. Links to files outside the package become plain text.
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { withLinks } from "./markdown.ts";
import { files, root } from "./workspace.ts";

const project = "packages/core";
const pages = [...files("docs/**/*.md"), "llms.txt"];
const drawings = files("docs/**/*.svg");

/** Returns the path of a repository file inside the package; `undefined` when the package lacks it. */
function placeOf(file: string): string | undefined {
  if (pages.includes(file) || drawings.includes(file)) return file;
  return file.startsWith(`${project}/src/`) ? file.slice(project.length + 1) : undefined;
}

for (const file of ["docs", "llms.txt"]) rmSync(path.join(root, project, file), { recursive: true, force: true });

if (!process.argv.includes("--remove")) {
  for (const page of pages) {
    const text = withLinks(page, ({ file, heading }) => {
      const place = placeOf(file);
      if (place === undefined) return undefined;
      const target = path.posix.relative(path.posix.dirname(page), place) || path.posix.basename(place);
      return heading === undefined ? target : `${target}#${heading}`;
    });
    const target = path.join(root, project, page);
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, text);
  }
  for (const drawing of drawings) cpSync(path.join(root, drawing), path.join(root, project, drawing));
}
