import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { CliError, Exit } from "./exit.ts";
import type { Io } from "./io.ts";

/**
 * Imports a package of the project, else one beside this package.
 *
 * @param what - the thing that needs it, for the error
 */
export async function packageOf<Exports>(io: Pick<Io, "cwd">, what: string, name: string): Promise<Exports> {
  for (const from of [path.join(io.cwd, "package.json"), import.meta.filename]) {
    let file;
    try {
      file = createRequire(from).resolve(name);
    } catch {
      continue;
    }
    return (await import(pathToFileURL(file).href)) as Exports;
  }
  throw new CliError({
    code: "PACKAGE_MISSING",
    exit: Exit.NO_FLOW,
    message: `The ${what} needs the package ${name}`,
    hint: `npm install ${name}`,
  });
}

/** Returns a URL without its password. */
export function hidden(place: string): string {
  return place.replace(/(\/\/[^:/@]*):[^@/]*@/, "$1:…@");
}
