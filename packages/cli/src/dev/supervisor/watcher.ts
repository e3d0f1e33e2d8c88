import { existsSync, type FSWatcher, statSync, watch } from "node:fs";
import path from "node:path";

/** Milliseconds without a further change after which a change is told. */
const QUIET_MS = 30;
/** Names in the project's folder that are always watched. */
const ALWAYS = ["penguiflow.config.ts", "penguiflow.config.js", "penguiflow.config.mjs", ".env", "package.json"];

/** Watches files by their folders, so that a file that an editor replaces, or that is missing, is seen as well. */
export class Watcher implements Disposable {
  readonly #files = new Map<string, string>();
  readonly #folders = new Map<string, FSWatcher>();
  readonly #onChange: (files: readonly string[], since: number) => void;
  readonly #changed = new Set<string>();
  #since = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param onChange - receives the changed files, and when the first of them changed, in epoch milliseconds */
  constructor(root: string, onChange: (files: readonly string[], since: number) => void) {
    this.#onChange = onChange;
    for (const name of ALWAYS) this.add(path.join(root, name));
  }

  /** Watches a file, by its absolute path. */
  add(file: string): void {
    if (this.#files.has(file)) return;
    this.#files.set(file, stateOf(file));
    const folder = path.dirname(file);
    if (this.#folders.has(folder) || !existsSync(folder)) return;
    const watcher = watch(folder, (_, name) => this.#look(folder, name));
    // the folder is gone
    watcher.on("error", () => {
      watcher.close();
      this.#folders.delete(folder);
    });
    this.#folders.set(folder, watcher);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    for (const watcher of this.#folders.values()) watcher.close();
  }

  #look(folder: string, name: string | null): void {
    const files = name === null ? [...this.#files.keys()] : [path.join(folder, name)];
    for (const file of files) {
      const known = this.#files.get(file);
      if (known === undefined) continue;
      const state = stateOf(file);
      // opening a file is no change of it
      if (state === known) continue;
      this.#files.set(file, state);
      if (this.#changed.size === 0) this.#since = Date.now();
      this.#changed.add(file);
    }
    if (this.#changed.size === 0) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const changed = [...this.#changed];
      this.#changed.clear();
      this.#onChange(changed, this.#since);
    }, QUIET_MS);
  }
}

function stateOf(file: string): string {
  const found = statSync(file, { throwIfNoEntry: false });
  return found === undefined ? "" : `${found.mtimeMs}/${found.size}/${found.ino}`;
}
