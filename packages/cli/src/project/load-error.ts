import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";
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

/** A reason why code does not load or has ended, as parts. */
export interface Reason {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  /** The first place of the stack in the project's own code, relative to it. */
  readonly place?: Place;
  readonly stack?: string;
  /** Messages of its causes, outermost first. */
  readonly causes: readonly string[];
}

/** Takes an error apart for a page. */
export function reasonOf(error: unknown, root: string): Reason {
  // that the code does not load is known: why not is the news
  const thrown = error instanceof CliError ? (error.cause ?? error) : error;
  const { code, message = String(thrown), stack, name = "Error" } = (thrown ?? {}) as Partial<NodeJS.ErrnoException>;
  const hint = error instanceof CliError ? error.hint : hintOf(code, message);
  const place = stack === undefined ? undefined : placeOf(stack, root);
  return {
    code: error instanceof CliError && thrown === error ? error.code : (code ?? name),
    message,
    causes: causesOf(thrown),
    ...(hint !== undefined && { hint }),
    ...(place !== undefined && { place }),
    ...(stack !== undefined && { stack }),
  };
}

function causesOf(error: unknown): string[] {
  const causes: string[] = [];
  for (let { cause } = (error ?? {}) as Partial<Error>; cause !== undefined && causes.length < 5;) {
    const { message = inspect(cause), cause: next } = (cause ?? {}) as Partial<Error>;
    causes.push(message);
    cause = next;
  }
  return causes;
}

/** Lines around a place, the first of them number `first`. */
export interface Frame {
  readonly first: number;
  readonly lines: readonly string[];
}

/** Reads the lines around a place; none if the file is gone. */
export function frameOf(root: string, { file, line }: Place): Frame | undefined {
  try {
    const lines = readFileSync(path.resolve(root, file), "utf8").split("\n");
    const first = Math.max(1, line - AROUND);
    return { first, lines: lines.slice(first - 1, line + AROUND) };
  } catch {
    return undefined;
  }
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

/** A place in the project's code. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column?: number;
}

/** Finds the first place of a stack that is in the project's own code. */
function placeOf(stack: string, root: string): Place | undefined {
  for (const [, url = "", line = "", column] of stack.matchAll(
    /(file:\/\/\/[^\s()]+?|\/[^\s()]+?):(\d+)(?::(\d+))?/g,
  )) {
    const file = url.startsWith("file:") ? fileURLToPath(url) : url;
    const isOwn = file.startsWith(root + path.sep) && !file.includes(`${path.sep}node_modules${path.sep}`);
    if (isOwn && existsSync(file))
      return {
        file: path.relative(root, file),
        line: Number(line),
        ...(column !== undefined && { column: Number(column) }),
      };
  }
  return undefined;
}

/** Returns the lines around a place as text. */
function frame(root: string, place: Place): string {
  const { first, lines } = frameOf(root, place) ?? { first: 1, lines: [] };
  const width = String(first + lines.length).length;
  const rows = lines.map((text, at) => {
    const number = first + at;
    return `${number === place.line ? ">" : " "} ${String(number).padStart(width)} | ${text}`;
  });
  return [`${place.file}:${place.line}`, ...rows].join("\n");
}
