import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

const PLACE = path.resolve(import.meta.dirname, "../../../.scratch");

/** A folder for one test, inside the repository, where its packages resolve. Deleted on disposal. */
export class Scratch implements Disposable {
  readonly folder: string;

  constructor(files: Readonly<Record<string, string>> = {}) {
    mkdirSync(PLACE, { recursive: true });
    this.folder = mkdtempSync(path.join(PLACE, "cli-"));
    // a module of its own, or Node warns of every file
    this.write({ "package.json": '{ "name": "scratch", "type": "module" }', ...files });
  }

  write(files: Readonly<Record<string, string>>): void {
    for (const [name, text] of Object.entries(files)) {
      const file = path.join(this.folder, name);
      mkdirSync(path.dirname(file), { recursive: true });
      writeFileSync(file, text);
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
