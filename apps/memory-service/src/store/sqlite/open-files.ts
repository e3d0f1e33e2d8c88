import type { Clock } from "penguiflow";
import { Idle } from "../../idle.ts";

/** A file that is open, and how many calls use it. */
interface Entry<File> {
  readonly file: Promise<File>;
  users: number;
}

/** Options of {@link OpenFiles}. */
export interface OpenFilesOptions<File> {
  readonly open: (name: string) => Promise<File>;
  readonly close: (file: File) => Promise<void>;
  /** Files open at once. Those that calls use stay open beyond it. */
  readonly limit: number;
  /** Milliseconds without a call after which a file is closed; never when absent. */
  readonly idleMs?: number | undefined;
  readonly clock: Clock;
}

/**
 * Keeps files open while they are used: closes the least recently used beyond a limit, and each that no call used for a
 * while. A file that a call uses stays open until the call is done.
 */
export class OpenFiles<File> {
  readonly #limit: number;
  readonly #open: (name: string) => Promise<File>;
  readonly #close: (file: File) => Promise<void>;
  readonly #idle: Idle | undefined;
  /** By name, the least recently used first. */
  readonly #entries = new Map<string, Entry<File>>();

  constructor({ open, close, limit, idleMs, clock }: OpenFilesOptions<File>) {
    this.#limit = limit;
    this.#open = open;
    this.#close = close;
    if (idleMs !== undefined) this.#idle = new Idle({ clock, idleMs, onIdle: (name) => this.#closeIdle(name) });
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
      if (this.#entries.get(name) === entry) this.#idle?.touch(name);
      await this.#closeOldest();
    }
  }

  /** Closes one file, if it is open, after the calls that use it. */
  async close(name: string): Promise<void> {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    this.#entries.delete(name);
    this.#idle?.forget(name);
    await this.#close(await entry.file);
  }

  /** Closes all files after the calls that use them. */
  async closeAll(): Promise<void> {
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    this.#idle?.forgetAll();
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

  #closeIdle(name: string): void {
    // a call that still runs notes the use again when it is done
    if (this.#entries.get(name)?.users === 0) void this.#closeUnused(name);
  }

  async #closeOldest(): Promise<void> {
    for (const [name, entry] of this.#entries) {
      if (this.#entries.size <= this.#limit) return;
      if (entry.users === 0) await this.#closeUnused(name);
    }
  }

  async #closeUnused(name: string): Promise<void> {
    // no call is about this file: one that does not close is closed with the process, and its committed rows are safe
    await this.close(name).catch(() => {});
  }
}
