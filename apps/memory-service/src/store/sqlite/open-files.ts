/** A file that is open, and how many calls use it. */
interface Entry<File> {
  readonly file: Promise<File>;
  users: number;
}

/** Keeps at most so many files open; closes the least recently used that no call uses. */
export class OpenFiles<File> {
  readonly #limit: number;
  readonly #open: (name: string) => Promise<File>;
  readonly #close: (file: File) => Promise<void>;
  /** By name, the least recently used first. */
  readonly #entries = new Map<string, Entry<File>>();

  constructor(limit: number, open: (name: string) => Promise<File>, close: (file: File) => Promise<void>) {
    this.#limit = limit;
    this.#open = open;
    this.#close = close;
  }

  /** Number of open files. */
  get size(): number {
    return this.#entries.size;
  }

  /** Runs work on a file, which stays open until it is done. */
  async use<Value>(name: string, work: (file: File) => Promise<Value>): Promise<Value> {
    let entry = this.#entries.get(name);
    if (entry === undefined) entry = { file: this.#open(name), users: 0 };
    else this.#entries.delete(name);
    this.#entries.set(name, entry);
    entry.users += 1;
    try {
      return await work(await entry.file);
    } catch (error) {
      await this.#forgetUnopened(name, entry);
      throw error;
    } finally {
      entry.users -= 1;
      await this.#closeOldest();
    }
  }

  /** Closes one file, if it is open, after the calls that use it. */
  async close(name: string): Promise<void> {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    this.#entries.delete(name);
    await this.#close(await entry.file);
  }

  /** Closes all files after the calls that use them. */
  async closeAll(): Promise<void> {
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    await Promise.all(entries.map(async ({ file }) => await this.#close(await file)));
  }

  async #forgetUnopened(name: string, entry: Entry<File>): Promise<void> {
    // a file that could not be opened is tried again by the next call
    const isOpen = await entry.file.then(
      () => true,
      () => false,
    );
    if (!isOpen && this.#entries.get(name) === entry) this.#entries.delete(name);
  }

  async #closeOldest(): Promise<void> {
    for (const [name, entry] of this.#entries) {
      if (this.#entries.size <= this.#limit) return;
      if (entry.users === 0) await this.close(name);
    }
  }
}
