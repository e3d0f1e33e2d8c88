import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { CliError, Exit } from "../exit.ts";

const AROUND = 2;

/** Makes an error that tells why a module does not load, with the lines around the place if that is known. */
export function loadError(file: string, root: string, error: unknown): CliError {
  const { code, message = String(error), stack = "" } = (error ?? {}) as Partial<NodeJS.ErrnoException>;
  const place = placeOf(stack, root);
  const shown = path.relative(root, file) || file;
  return new CliError({
    code: "LOAD_FAILED",
    exit: Exit.NO_FLOW,
    message: `Cannot load ${shown}: ${message.split("\n")[0]}${place === undefined ? "" : `\n\n${frame(root, place)}`}`,
    hint: hintOf(code, message),
    cause: error,
  });
}

function hintOf(code: string | undefined, message: string): string | undefined {
  if (code === "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX")
    return 'Node only strips types: write it without this construct; "erasableSyntaxOnly": true in tsconfig.json finds all';
  if (code === "ERR_UNKNOWN_FILE_EXTENSION") return "Node 22.18 or newer reads TypeScript";
  if (code !== "ERR_MODULE_NOT_FOUND") return undefined;
  const [, wanted = ""] = /Cannot find (?:package|module) '([^']+)'/.exec(message) ?? [];
  if (path.isAbsolute(wanted) || wanted.startsWith("file:"))
    return "an import of a file needs its ending, such as ./nodes.ts; path aliases of tsconfig.json mean nothing to Node";
  return `install it: npm install ${wanted}`;
}

interface Place {
  readonly file: string;
  readonly line: number;
}

/** Finds the first place of a stack that is in the project's own code. */
function placeOf(stack: string, root: string): Place | undefined {
  for (const [, url = "", line = ""] of stack.matchAll(/(file:\/\/\/[^\s()]+?|\/[^\s()]+?):(\d+)/g)) {
    const file = url.startsWith("file:") ? fileURLToPath(url) : url;
    const isOwn = file.startsWith(root + path.sep) && !file.includes(`${path.sep}node_modules${path.sep}`);
    if (isOwn && existsSync(file)) return { file: path.relative(root, file), line: Number(line) };
  }
  return undefined;
}

function frame(root: string, { file, line }: Place): string {
  const lines = readFileSync(path.resolve(root, file), "utf8").split("\n");
  const first = Math.max(1, line - AROUND);
  const shown = lines.slice(first - 1, line + AROUND);
  const width = String(first + shown.length).length;
  const rows = shown.map((text, at) => {
    const number = first + at;
    return `${number === line ? ">" : " "} ${String(number).padStart(width)} | ${text}`;
  });
  return [`${file}:${line}`, ...rows].join("\n");
}
