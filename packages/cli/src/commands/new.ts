import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { command } from "../command-line/command.ts";
import { JSON_FLAG } from "../command-line/flags.ts";
import { meant } from "../command-line/nearest.ts";
import { usage } from "../command-line/parse.ts";
import { CliError, Exit } from "../exit.ts";
import type { Io } from "../io.ts";
import { PACKAGE_MANAGERS, type PackageManager, packageManagerOf, runIn } from "../new/package-manager.ts";
import { projectFiles } from "../new/project-files.ts";
import { type Addition, ADDITIONS, type Template, TEMPLATES } from "../new/templates.ts";
import { printJson } from "../text.ts";

const NAMES = Object.keys(TEMPLATES) as Template[];
const WITH = Object.keys(ADDITIONS) as Addition[];

/** Name of a package as npm takes it, without a scope. */
const NAME = /^[a-z0-9][a-z0-9._-]{0,213}$/;

export const newProject = command({
  name: "new",
  summary: "Makes a project that runs and passes its tests without key or network",
  about: [
    `Templates:\n${NAMES.map((name) => `${name}: ${TEMPLATES[name]}`).join("\n")}`,
    `Additions, for --with:\n${WITH.map((name) => `${name}: ${ADDITIONS[name]}`).join("\n")}`,
  ].join("\n\n"),
  words: [{ name: "name", isOptional: true, help: "name of the project and its folder; . is this folder" }],
  flags: {
    template: { type: "string", short: "t", choices: NAMES, default: "react", help: "what it begins with" },
    with: { type: "string", value: "additions", help: "what it has besides, separated by commas, such as durable,a2a" },
    "output-dir": { type: "string", value: "folder", help: "folder of the project, when it is not its name" },
    force: { type: "boolean", help: "also in a folder that is not empty: files that exist stay" },
    "dry-run": { type: "boolean", help: "writes nothing and lists the files" },
    install: { type: "boolean", default: true, help: "does not install the packages" },
    git: { type: "boolean", help: "makes a git repository" },
    pm: { type: "string", choices: PACKAGE_MANAGERS, help: "package manager; the one in use when left out" },
    quiet: { type: "boolean", short: "q", help: "prints nothing but errors" },
    json: JSON_FLAG,
  },
  examples: [
    "penguiflow new my-agent",
    "penguiflow new my-agent --with agui,durable",
    "penguiflow new pipeline --template flow --no-install",
  ],
  exits: [Exit.FAILED, Exit.EXISTS],
  async run({ words: [given], flags, io }) {
    const { template, force, install, git, quiet, json } = flags;
    const wanted = given ?? (io.canAsk ? (await io.ask("Name of the project: ")).trim() : undefined);
    if (wanted === undefined || wanted === "")
      throw usage('Command "new" needs NAME: name of the project and its folder');
    const additions = additionsOf(flags.with);
    const root = path.resolve(io.cwd, flags["output-dir"] ?? wanted);
    const name = nameOf(wanted === "." ? path.basename(root) : path.basename(wanted));
    const existing = existsSync(root) ? readdirSync(root).filter((file) => file !== ".git") : [];
    if (existing.length > 0 && !force && !flags["dry-run"])
      throw new CliError({
        code: "FOLDER_NOT_EMPTY",
        exit: Exit.EXISTS,
        message: `Folder ${root} is not empty: it has ${existing.slice(0, 3).join(", ")}${existing.length > 3 ? ", …" : ""}`,
        hint: "--force adds what is missing, and keeps the files that exist",
      });
    const files = projectFiles(template, name, additions);
    const written = [...files.keys()].filter((file) => !existsSync(path.join(root, file)));
    const kept = [...files.keys()].filter((file) => !written.includes(file));
    const pm = flags.pm ?? packageManagerOf(io);
    if (!flags["dry-run"]) {
      for (const file of written) {
        mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
        writeFileSync(path.join(root, file), files.get(file)!);
      }
      if (git) await mustRun(root, "git", "init", "--quiet");
      if (install) await mustRun(root, pm, "install");
    }
    if (json) printJson(io, { name, folder: root, template, with: additions, written, kept });
    else if (!quiet)
      tell(io, {
        root,
        written,
        kept,
        isDry: flags["dry-run"],
        next: nextSteps(io, root, pm, install),
      });
    return Exit.OK;
  },
});

function nameOf(name: string): string {
  if (NAME.test(name)) return name;
  throw usage(`"${name}" is no name for a package: it needs lower-case letters, digits, ".", "_" or "-"`);
}

function additionsOf(given: string | undefined): readonly Addition[] {
  const names = new Set(given?.split(",").map((name) => name.trim()));
  for (const name of names)
    if (!Object.hasOwn(ADDITIONS, name))
      throw usage(`Option "--with" takes ${WITH.join(", ")}, separated by commas: got "${name}"${meant(name, WITH)}`);
  return WITH.filter((name) => names.has(name));
}

async function mustRun(root: string, program: string, ...args: string[]): Promise<void> {
  if (await runIn(root, program, args)) return;
  throw new CliError({
    code: "PROGRAM_FAILED",
    exit: Exit.FAILED,
    message: `"${program} ${args.join(" ")}" failed in ${root}; the project's files are there`,
    hint: `repeat it: cd ${root} && ${program} ${args.join(" ")}`,
  });
}

function nextSteps(io: Io, root: string, pm: PackageManager, isInstalled: boolean): readonly string[] {
  const folder = path.relative(io.cwd, root);
  const steps = [...(folder === "" ? [] : [`cd ${folder}`]), ...(isInstalled ? [] : [`${pm} install`])];
  return [...steps, `${pm} run dev`, `${pm} run test`];
}

function tell(
  io: Io,
  what: {
    readonly root: string;
    readonly written: readonly string[];
    readonly kept: readonly string[];
    readonly isDry: boolean;
    readonly next: readonly string[];
  },
): void {
  const { root, written, kept, isDry, next } = what;
  io.out(`${isDry ? "Would make" : "Made"} ${root}\n${written.map((file) => `  ${file}\n`).join("")}`);
  if (kept.length > 0) io.out(`Kept\n${kept.map((file) => `  ${file}\n`).join("")}`);
  if (!isDry) io.out(`Next\n${next.map((line) => `  ${line}\n`).join("")}`);
}
