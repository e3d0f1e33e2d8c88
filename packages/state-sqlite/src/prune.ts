import type { Clock, Retention } from "penguiflow";
import type { Database } from "./database.ts";

/** Events removed per turn of the event loop. */
const EVENTS_PER_STEP = 2_000;

/** Enforces the limits of a file. */
export class Pruning {
  readonly #database: Database;
  readonly #retention: Retention;
  readonly #clock: Clock;

  constructor(database: Database, retention: Retention, clock: Clock) {
    this.#database = database;
    this.#retention = retention;
    this.#clock = clock;
  }

  /**
   * Removes the least recently active traces until the limits hold, or until it has done enough for one transaction:
   * twice as much as the transaction has added, so that no limit stays exceeded. Call it in a transaction.
   */
  async releaseTraces(added: number): Promise<{ readonly released: number; readonly isDone: boolean }> {
    const enough = Math.max(EVENTS_PER_STEP, 2 * added);
    let removed = 0;
    for (let released = 0; ; released += 1) {
      if (removed >= enough) return { released, isDone: false };
      const trace = this.#oldestBeyondLimits();
      if (trace === undefined) return { released, isDone: true };
      removed += await this.#removeOldest(trace, Infinity);
      for (const table of ["bindings WHERE trace", "traces WHERE id"])
        this.#database.run(`DELETE FROM ${table} = ?`, trace);
      this.#database.run("UPDATE totals SET traces = traces - 1");
    }
  }

  /** Removes the oldest events of a trace that exceeds its limit. Call it in a transaction. */
  async trim(trace: number, events: number): Promise<void> {
    const { maxEventsPerTrace = Infinity } = this.#retention;
    if (events > maxEventsPerTrace) await this.#removeOldest(trace, events - maxEventsPerTrace);
  }

  /** Removes everything beyond the limits, in many transactions; resolves to the number of traces removed. */
  async all(): Promise<number> {
    const { maxEventsPerTrace } = this.#retention;
    if (maxEventsPerTrace !== undefined) {
      let trace: number | undefined = 0;
      while (trace !== undefined) trace = await this.#trimNext(trace, maxEventsPerTrace);
    }
    for (let total = 0; ;) {
      const { released, isDone } = await this.#database.transaction("prune", async () => await this.releaseTraces(0));
      total += released;
      if (isDone) return total;
    }
  }

  /** Trims the first trace after `after` that exceeds its limit; returns its id. */
  async #trimNext(after: number, maxEventsPerTrace: number): Promise<number | undefined> {
    return await this.#database.transaction("prune", async () => {
      const row = this.#database.get(
        "SELECT id, events FROM traces WHERE id > ? AND events > ? ORDER BY id LIMIT 1",
        after,
        maxEventsPerTrace,
      );
      if (row === undefined) return undefined;
      await this.trim(Number(row["id"]), Number(row["events"]));
      return Number(row["id"]);
    });
  }

  #oldestBeyondLimits(): number | undefined {
    const { maxTraces = Infinity, maxBytes = Infinity, maxAgeMs = Infinity } = this.#retention;
    if (maxTraces === Infinity && maxBytes === Infinity && maxAgeMs === Infinity) return undefined;
    const totals = this.#database.get("SELECT traces, bytes FROM totals");
    const isTooMuch = Number(totals?.["traces"]) > maxTraces || Number(totals?.["bytes"]) > maxBytes;
    const oldest = this.#database.get("SELECT id, last_at FROM traces ORDER BY last_at, id LIMIT 1");
    const isTooOld = Number(oldest?.["last_at"]) < this.#clock.epochNow() - maxAgeMs;
    return isTooMuch || isTooOld ? (oldest?.["id"] as number | undefined) : undefined;
  }

  /** Removes a number of a trace's oldest events and updates the totals; resolves to the number removed. */
  async #removeOldest(trace: number, count: number): Promise<number> {
    let removed = 0;
    while (removed < count) {
      const step = this.#database.get(
        `SELECT count(*) AS events, coalesce(sum(octet_length(payload)), 0) AS bytes, max(id) AS last
         FROM (SELECT id, payload FROM events WHERE trace = ? ORDER BY id LIMIT ?)`,
        trace,
        Math.min(count - removed, EVENTS_PER_STEP),
      );
      const { events, bytes, last } = step as { events: number; bytes: number; last: number | null };
      if (last === null) break;
      this.#database.run("DELETE FROM events WHERE trace = ? AND id <= ?", trace, last);
      this.#database.run("UPDATE traces SET events = events - ?, bytes = bytes - ? WHERE id = ?", events, bytes, trace);
      this.#database.run("UPDATE totals SET bytes = bytes - ?", bytes);
      removed += events;
      await this.#database.breathe(events);
    }
    return removed;
  }
}
