import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { TEMPLATES_FOLDER, VERSION } from "../own-package.ts";
import type { Template } from "./templates.ts";

/** Names that npm would not pack, or would take for its own. */
const RENAMED: Readonly<Record<string, string>> = {
  "_package.json": "package.json",
  _gitignore: ".gitignore",
  "_env.example": ".env.example",
};

/** Returns the files of a new project by their paths: those of every project, then those of its template. */
export function projectFiles(template: Template, name: string): Map<string, string> {
  const files = new Map<string, string>();
  for (const part of ["base", template]) {
    const folder = path.join(TEMPLATES_FOLDER, part);
    for (const file of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue;
      const place = path.relative(folder, path.join(file.parentPath, RENAMED[file.name] ?? file.name));
      const text = filled(readFileSync(path.join(file.parentPath, file.name), "utf8"), name);
      const before = files.get(place);
      files.set(place, place === "package.json" && before !== undefined ? merged(before, text) : text);
    }
  }
  return files;
}

function filled(text: string, name: string): string {
  return text.replaceAll("{{name}}", name).replaceAll("{{version}}", VERSION);
}

/** Adds the dependencies of a template to those of every project. */
function merged(base: string, added: string): string {
  const manifest = JSON.parse(base) as Record<string, unknown> & { dependencies: Record<string, string> };
  const { dependencies } = JSON.parse(added) as { readonly dependencies: Readonly<Record<string, string>> };
  const all = Object.entries({ ...manifest.dependencies, ...dependencies }).sort(([one], [other]) =>
    one < other ? -1 : 1,
  );
  return `${JSON.stringify({ ...manifest, dependencies: Object.fromEntries(all) }, undefined, 2)}\n`;
}
