import { readFileSync } from "node:fs";
import path from "node:path";

// one folder below the package, as source and as bundle
const FOLDER = path.dirname(import.meta.dirname);

/** Version of this package, which is that of all packages released with it. */
export const VERSION: string = (
  JSON.parse(readFileSync(path.join(FOLDER, "package.json"), "utf8")) as { version: string }
).version;

/** Folder with the files of the templates. */
export const TEMPLATES_FOLDER: string = path.join(FOLDER, "templates");
