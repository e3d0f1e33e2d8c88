import { logConflict } from "../ports/log-errors.ts";
import { requireLogAppend, requireLogRange, requireLogTrim } from "../ports/log-arguments.ts";
import type { Log, LogKey, LogPage, LogRange } from "../ports/log.ts";

interface KeptLog {
  /** Position of the first item that is kept. */
  first: number;
  /** JSON texts. */
  items: string[];
}

/** Stores logs for the lifetime of the process: for tests and experiments. Its bound is {@link Log.trim}. */
export class MemoryLog implements Log {
  readonly #logs = new Map<string, KeptLog>();

  /**
   * Appends items; resolves with the new length.
   *
   * @throws FlowError `LOG_CONFLICT` when `at` is not the length of the log
   * @throws TypeError when an item is no JSON
   */
  async append(key: LogKey, at: number, items: readonly unknown[]): Promise<number> {
    const texts = requireLogAppend(key, at, items);
    const log = this.#logs.get(textOf(key)) ?? { first: 0, items: [] };
    const length = lengthOf(log);
    if (at !== length) throw logConflict(key, at, length);
    if (texts.length > 0) this.#logs.set(textOf(key), log);
    for (const text of texts) log.items.push(text);
    return lengthOf(log);
  }

  /** Returns a page of items. */
  async read(key: LogKey, range: LogRange = {}): Promise<LogPage> {
    const { from, limit } = requireLogRange(key, range);
    const log = this.#logs.get(textOf(key)) ?? { first: 0, items: [] };
    const at = Math.max(from, log.first);
    const texts = log.items.slice(at - log.first, at - log.first + limit);
    return { at, items: texts.map((text) => JSON.parse(text) as unknown), length: lengthOf(log) };
  }

  /** Removes the items before a position. */
  async trim(key: LogKey, before: number): Promise<void> {
    requireLogTrim(key, before);
    const log = this.#logs.get(textOf(key));
    if (log === undefined || before <= log.first) return;
    const gone = Math.min(before, lengthOf(log)) - log.first;
    log.items = log.items.slice(gone);
    log.first += gone;
  }
}

function lengthOf({ first, items }: KeptLog): number {
  return first + items.length;
}

function textOf({ tenant, name }: LogKey): string {
  return JSON.stringify([tenant, name]);
}
