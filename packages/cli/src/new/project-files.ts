import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { TEMPLATES_FOLDER, VERSION } from "../own-package.ts";
import { type Addition, AGENTS, type Template } from "./templates.ts";

/** Names that npm would not pack, or would take for its own. */
const RENAMED: Readonly<Record<string, string>> = {
  "_package.json": "package.json",
  _gitignore: ".gitignore",
  "_env.example": ".env.example",
};

/** Parts of package.json to which templates and additions add. */
const MERGED = ["scripts", "dependencies", "devDependencies"] as const;

/** Part of package.json, as a template or an addition has it. */
type Manifest = Partial<Record<(typeof MERGED)[number], Readonly<Record<string, string>>>>;

/**
 * Returns the files of a new project by their paths: those of every project, of its template, and of the additions. No
 * part replaces a file of another: of `package.json` each has its lines.
 */
export function projectFiles(
  template: Template,
  name: string,
  additions: readonly Addition[] = [],
): Map<string, string> {
  const files = new Map<string, string>();
  const add = (place: string, file: string): void => {
    const text = filled(readFileSync(path.join(TEMPLATES_FOLDER, file), "utf8"), name);
    const before = files.get(place);
    files.set(place, place === "package.json" && before !== undefined ? merged(before, text) : text);
  };
  const shared = AGENTS.includes(template) ? ["base", "planner"] : ["base"];
  for (const part of [...shared, template, ...additions.map((addition) => `with/${addition}`)]) {
    const folder = path.join(TEMPLATES_FOLDER, part);
    for (const file of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue;
      const below = path.relative(folder, file.parentPath);
      add(path.join(below, RENAMED[file.name] ?? file.name), path.join(part, below, file.name));
    }
  }
  // the additions do not know the template: this file tells them how its flow is run
  if (additions.length > 0) add(path.join("src", "subject.ts"), `with/subject/${template}.ts`);
  return files;
}

function filled(text: string, name: string): string {
  return text.replaceAll("{{name}}", name).replaceAll("{{version}}", VERSION);
}

/** Adds scripts and dependencies to those that a project has. */
function merged(base: string, added: string): string {
  const manifest = JSON.parse(base) as Manifest;
  const more = JSON.parse(added) as Manifest;
  const parts = MERGED.map((part) => {
    const all = Object.entries({ ...manifest[part], ...more[part] });
    return [part, Object.fromEntries(part === "scripts" ? all : all.sort(([one], [other]) => (one < other ? -1 : 1)))];
  });
  return `${JSON.stringify({ ...manifest, ...(Object.fromEntries(parts) as Manifest) }, undefined, 2)}\n`;
}
