import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { CliError, Exit } from "./exit.ts";
import type { Io } from "./io.ts";

/**
 * Imports a package of the project, else one beside this package.
 *
 * @param what - the thing that needs it, for the error
 * @param install - packages to install when it, or one that it needs, is missing
 */
export async function packageOf<Exports>(
  io: Pick<Io, "cwd">,
  what: string,
  name: string,
  install = name,
): Promise<Exports> {
  for (const from of [path.join(io.cwd, "package.json"), import.meta.filename]) {
    let file;
    try {
      file = createRequire(from).resolve(name);
    } catch {
      continue;
    }
    try {
      return (await import(pathToFileURL(file).href)) as Exports;
    } catch (error) {
      // a peer dependency of it
      if ((error as { readonly code?: unknown }).code !== "ERR_MODULE_NOT_FOUND") throw error;
    }
  }
  throw new CliError({
    code: "PACKAGE_MISSING",
    exit: Exit.NO_FLOW,
    message: `The ${what} needs the package ${install.replaceAll(" ", " and ")}`,
    hint: `npm install ${install}`,
  });
}

/** Returns a URL without its password. */
export function hidden(place: string): string {
  return place.replace(/(\/\/[^:/@]*):[^@/]*@/, "$1:…@");
}
