import { accessSync, constants, readdirSync, statSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";

/** Prints what is right and wrong with Node, the folder and each of its files. Returns the exit status. */
export function examine(directory: string): number {
  let isWell = true;
  const tell = (isRight: boolean, what: string): void => {
    isWell &&= isRight;
    process.stdout.write(`${isRight ? "ok  " : "FAIL"} ${what}\n`);
  };
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  tell(major > 22 || (major === 22 && minor >= 18), `Node ${process.versions.node}; 22.18 or newer is needed`);
  const stats = statSync(directory, { throwIfNoEntry: false });
  if (stats === undefined) tell(true, `${directory} does not exist yet: it is made when something is kept`);
  else if (!stats.isDirectory()) tell(false, `${directory} is no folder`);
  else {
    tell(isWritable(directory), `${directory} can be written`);
    const files = readdirSync(directory, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".db"));
    for (const file of files.toSorted()) {
      const found = integrityOf(path.join(directory, file));
      tell(found === "ok", `${file}: ${found === "ok" ? "whole" : found}`);
    }
  }
  return isWell ? 0 : 1;
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Returns `ok`, or what SQLite says of the file. */
function integrityOf(file: string): string {
  try {
    const database = new DatabaseSync(file, { readOnly: true });
    try {
      const row = database.prepare("PRAGMA quick_check(1)").get() as { readonly quick_check: string };
      return row.quick_check;
    } finally {
      database.close();
    }
  } catch (error) {
    return (error as Error).message;
  }
}
