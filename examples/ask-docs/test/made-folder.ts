import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

/** Folder for one test, deleted at the end of its scope. */
export interface MadeFolder extends AsyncDisposable {
  readonly path: string;
  at(name: string): string;
}

/** Creates a folder with these files. */
export async function makeFolder(files: Readonly<Record<string, string | Uint8Array>> = {}): Promise<MadeFolder> {
  const folder = await mkdtemp(path.join(tmpdir(), "ask-docs-"));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    await writeFile(path.join(folder, name), content);
  }
  return {
    path: folder,
    at: (name) => path.join(folder, name),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
