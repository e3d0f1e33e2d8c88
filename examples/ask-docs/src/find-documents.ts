import type { Dirent } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import { CommandError, ExitStatus } from "./exit-status.ts";
import { printable } from "./printable.ts";
import { reasonOf } from "./read-text.ts";

/** A file to read. */
export interface SourceFile {
  readonly path: string;
  /** The path within the folder, for people: with slashes, without control characters. */
  readonly name: string;
}

/** A file or folder that is left out, with the reason. */
export interface Skipped {
  readonly name: string;
  readonly reason: string;
}

/** Files found by {@link findDocuments}, in the order of names. */
export interface Documents {
  readonly files: readonly SourceFile[];
  readonly skipped: readonly Skipped[];
}

const DOCUMENT = /\.(?:md|markdown|mdx|txt|text)$/i;
const LEFT_OUT = new Set(["node_modules", "dist", "coverage"]);

/**
 * Lists the documents of a folder and its subfolders. Follows links and lists nothing twice, so a link to a parent
 * folder ends here.
 *
 * @param maxFiles - maximum number of files
 * @throws CommandError with the status `noInput` when there is no such folder; the signal's reason
 */
export async function findDocuments(folder: string, maxFiles: number, signal: AbortSignal): Promise<Documents> {
  await requireFolder(folder);
  const files: SourceFile[] = [];
  const skipped: Skipped[] = [];
  const seen = new Set<string>();
  const waiting = [folder];

  for (let current = waiting.pop(); current !== undefined; current = waiting.pop()) {
    signal.throwIfAborted();
    const nameOf = (place: string) => printable(path.relative(folder, place).replaceAll(path.sep, "/")) || ".";
    let entries: Dirent[];
    try {
      const { dev, ino } = await stat(current);
      if (seen.has(`${dev}:${ino}`)) continue;
      seen.add(`${dev}:${ino}`);
      entries = await readdir(current, { withFileTypes: true });
    } catch (error) {
      skipped.push({ name: nameOf(current), reason: reasonOf(error) });
      continue;
    }
    const folders: string[] = [];
    for (const entry of entries.sort(linksLast)) {
      if (entry.name.startsWith(".") || LEFT_OUT.has(entry.name)) continue;
      const place = path.join(current, entry.name);
      if (entry.isDirectory()) {
        folders.push(place);
        continue;
      }
      const isDocument = DOCUMENT.test(entry.name);
      if (!isDocument && !entry.isSymbolicLink()) continue;
      try {
        const found = await stat(place);
        if (found.isDirectory()) folders.push(place);
        if (found.isDirectory() || !isDocument) continue;
        if (seen.has(`${found.dev}:${found.ino}`)) continue;
        seen.add(`${found.dev}:${found.ino}`);
      } catch (error) {
        if (isDocument) skipped.push({ name: nameOf(place), reason: reasonOf(error) });
        continue;
      }
      if (files.length === maxFiles) {
        skipped.push({ name: nameOf(place), reason: `this and all further files are beyond the limit of ${maxFiles}` });
        return { files, skipped };
      }
      files.push({ path: place, name: nameOf(place) });
    }
    waiting.push(...folders.reverse());
  }
  return { files, skipped };
}

async function requireFolder(folder: string): Promise<void> {
  const problem = await stat(folder).then(
    (found) => (found.isDirectory() ? undefined : `it is not a folder; name the folder it is in`),
    (error: unknown) => reasonOf(error, "there is no such folder"),
  );
  if (problem === undefined) return;
  throw new CommandError(ExitStatus.noInput, `Cannot read the folder "${printable(folder)}": ${problem}`);
}

// Code points, not a locale: the same order everywhere. Links last, so that a file is listed by its own name.
function linksLast(a: Dirent, b: Dirent): number {
  return Number(a.isSymbolicLink()) - Number(b.isSymbolicLink()) || (a.name < b.name ? -1 : 1);
}
