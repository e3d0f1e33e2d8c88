// Tests new projects as users get them: packs the packages, makes a project of each template with all additions by the
// packed command in an empty folder, and runs its compiler, its lint and its tests there. Nothing is downloaded: other
// packages are those of the workspace. `node scripts/templates.ts react flow` tries some templates.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { ADDITIONS, TEMPLATES } from "../packages/cli/src/new/templates.ts";
import { conclude, publishedPackages, root, run } from "./workspace.ts";

const problems: string[] = [];
const summary: string[] = [];
const folder = mkdtempSync(path.join(os.tmpdir(), "penguiflow-templates-"));
const modules = path.join(folder, "node_modules");

/** Runs a program; a failure is recorded as a problem. Returns whether it succeeded. */
async function must(what: string, cwd: string, program: string, ...args: string[]): Promise<boolean> {
  const { status, output } = await run(program, args, { cwd, timeoutMs: 600_000 });
  if (status !== 0) problems.push(`${what} fails:\n${output.trimEnd()}`);
  return status === 0;
}

/** Unpacks the packages as npm would, beside links to all others that the workspace has. */
async function install(): Promise<boolean> {
  const own = publishedPackages();
  const isOwn = (name: string): boolean => own.some((item) => item.name === name);
  for (const { folder: source, name } of own) {
    const place = path.join(modules, name);
    mkdirSync(place, { recursive: true });
    const archive = path.join(folder, "archive");
    rmSync(archive, { recursive: true, force: true });
    mkdirSync(archive);
    const packed = await must(`Packing ${name}`, archive, "npm", "pack", path.join(root, source), "--loglevel=error");
    if (!packed) return false;
    const [file = ""] = readdirSync(archive);
    const from = path.join(archive, file);
    if (!(await must(`Unpacking ${name}`, folder, "tar", "-xzf", from, "-C", place, "--strip-components=1")))
      return false;
  }
  for (const name of readdirSync(path.join(root, "node_modules"))) {
    const names = name.startsWith("@")
      ? readdirSync(path.join(root, "node_modules", name)).map((part) => `${name}/${part}`)
      : [name];
    for (const each of names) {
      if (isOwn(each) || each.startsWith(".")) continue;
      mkdirSync(path.dirname(path.join(modules, each)), { recursive: true });
      symlinkSync(path.join(root, "node_modules", each), path.join(modules, each));
    }
  }
  return true;
}

async function tryTemplate(template: string): Promise<void> {
  const penguiflow = path.join(modules, "@penguiflow/cli/dist/bin.js");
  const additions = Object.keys(ADDITIONS).join();
  const made = ["new", template, "--template", template, "--with", additions, "--no-install", "--quiet"];
  if (!(await must(`Making ${template}`, folder, process.execPath, penguiflow, ...made))) return;
  const project = path.join(folder, template);
  const compiler = path.join(modules, "typescript/bin/tsc");
  await must(`The compiler of ${template}`, project, process.execPath, compiler);
  await must(`The lint of ${template}`, project, process.execPath, penguiflow, "check", "--strict");
  await must(`The tests of ${template}`, project, process.execPath, "--test");
  summary.push(`${template}: made, compiled, linted and tested with ${additions}`);
}

const wanted = process.argv.slice(2);
const unknown = wanted.find((name) => !Object.hasOwn(TEMPLATES, name));
if (unknown !== undefined)
  problems.push(`There is no template "${unknown}": there are ${Object.keys(TEMPLATES).join(", ")}`);
try {
  if (problems.length === 0 && (await install()))
    for (const template of wanted.length > 0 ? wanted : Object.keys(TEMPLATES)) await tryTemplate(template);
} finally {
  rmSync(folder, { recursive: true });
}
conclude(problems, summary.join("\n"));
