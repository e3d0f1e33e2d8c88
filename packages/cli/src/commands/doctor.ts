import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { command } from "../command-line/command.ts";
import { JSON_FLAG, PROJECT_FLAG } from "../command-line/flags.ts";
import { CliError, Exit } from "../exit.ts";
import { loadProject } from "../project/load-project.ts";
import { counted, printJson, styled } from "../text.ts";
import { VERSION } from "../own-package.ts";

/** A finding of the doctor; `isGood` is undefined where it only informs. */
interface Row {
  readonly what: string;
  readonly isGood: boolean | undefined;
  readonly detail: string;
  readonly fix?: string | undefined;
}

export const doctor = command({
  name: "doctor",
  summary: "Checks what a project needs: Node, versions, settings, TypeScript options, code that loads",
  words: [],
  flags: { project: PROJECT_FLAG, json: JSON_FLAG },
  examples: ["penguiflow doctor"],
  exits: [Exit.FAILED],
  async run({ flags: { project: folder, json }, io }) {
    const root = path.resolve(io.cwd, folder);
    const rows = [nodeRow(), ...packageRows(root), ...typeScriptRows(root)];
    try {
      const { entry, flows } = await loadProject(io, folder);
      const names = flows.map(({ name }) => name).join(", ");
      const detail = `${path.relative(root, entry)} exports ${flows.length === 0 ? "no flow" : `${counted(flows.length, "flow")}: ${names}`}`;
      rows.push({
        what: "flows",
        isGood: flows.length > 0,
        detail,
        fix: "export what create or createPlanner returns",
      });
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      rows.push({ what: "flows", isGood: false, detail: error.message, fix: error.hint });
    }
    if (json) printJson(io, rows);
    else
      for (const { what, isGood, detail, fix } of rows) {
        const mark = isGood === undefined ? "·" : isGood ? styled(io, "green", "✓") : styled(io, "red", "✕");
        io.out(`${mark} ${what}: ${detail}\n${isGood === false && fix !== undefined ? `  ${fix}\n` : ""}`);
      }
    return rows.some(({ isGood }) => isGood === false) ? Exit.FAILED : Exit.OK;
  },
});

function nodeRow(): Row {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const isGood = major > 22 || (major === 22 && minor >= 18);
  return { what: "node", isGood, detail: process.versions.node, fix: "22.18 or newer reads TypeScript" };
}

/** Reports the versions of the project's packages. All of this workspace are released together. */
function packageRows(root: string): Row[] {
  const manifest = path.join(root, "package.json");
  if (!existsSync(manifest)) return [{ what: "package.json", isGood: false, detail: "is missing", fix: "npm init -y" }];
  const { type, dependencies, devDependencies } = JSON.parse(readFileSync(manifest, "utf8")) as {
    readonly type?: string;
    readonly dependencies?: Readonly<Record<string, string>>;
    readonly devDependencies?: Readonly<Record<string, string>>;
  };
  const names = Object.keys({ ...dependencies, ...devDependencies }).filter(
    (name) => name === "penguiflow" || name.startsWith("@penguiflow/"),
  );
  const rows = names.map((name): Row => {
    const version = versionOf(root, name);
    const isGood = version === VERSION;
    const detail = version ?? "is not installed";
    return {
      what: name,
      isGood,
      detail,
      fix: version === undefined ? "npm install" : `npm install ${name}@${VERSION}`,
    };
  });
  const module: Row = {
    what: "module type",
    isGood: type === "module",
    detail: type ?? "commonjs",
    fix: '"type": "module" in package.json',
  };
  return [module, ...rows];
}

function versionOf(root: string, name: string): string | undefined {
  try {
    const file = createRequire(path.join(root, "package.json")).resolve(`${name}/package.json`);
    return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
  } catch {
    return undefined;
  }
}

function typeScriptRows(root: string): Row[] {
  const file = path.join(root, "tsconfig.json");
  if (!existsSync(file)) return [{ what: "tsconfig.json", isGood: undefined, detail: "none: JavaScript" }];
  const text = readFileSync(file, "utf8");
  return ["erasableSyntaxOnly", "verbatimModuleSyntax"].map((option) => ({
    what: option,
    isGood: new RegExp(`"${option}"\\s*:\\s*true`).test(text),
    detail: new RegExp(`"${option}"\\s*:\\s*true`).test(text) ? "on" : "off",
    fix: `"${option}": true in tsconfig.json: the compiler then finds what Node cannot strip`,
  }));
}
