import type { Clock } from "../../foundation/clock.ts";
import type { Logger } from "../../events/logger.ts";
import type { FinalOutcome } from "../../message/outcome.ts";
import type { TraceKey } from "../../ports/state-store.ts";
import type { DurableRun } from "../durability.ts";
import type { GivenId, KeptEnd } from "../state/given-id.ts";
import type { Trace } from "../state/trace.ts";
import type { TraceTable } from "../state/trace-table.ts";

/** Engine parts that {@link KeptOutcomes} calls. */
export interface KeptOutcomesHost {
  readonly clock: Clock;
  readonly options: {
    readonly name: string;
    readonly logger: Logger;
    readonly limits: { readonly maxKeptOutcomes: number };
  };
  readonly traces: TraceTable;
  readonly durable: DurableRun | undefined;
}

/** The outcome of a trace that was accepted for a given id. */
export interface KeptOutcome extends KeptEnd {
  readonly tenant: string;
  readonly traceId: string;
  readonly run: number;
  /** Digest of its input; `undefined` if that is unknown, because a newer version has stored it. */
  readonly digest: string | undefined;
  /** Whether the trace was opened by `emit`: its results go to `fetch`. */
  readonly isOpenEnded: boolean;
  /** The trace, in a durable flow, while its outcome is not stored by itself. */
  readonly trace?: Trace;
}

/** A stored outcome that this version cannot read. */
export interface UnreadableOutcome extends TraceKey {
  readonly run: number;
  /** Epoch milliseconds until which it is kept. */
  readonly expiresAt: number;
  readonly error: unknown;
}

/**
 * Outcomes of the traces with given ids. At most one trace is accepted per tenant and id while it is in flight or its
 * outcome is kept.
 *
 * Without durability the latest `maxKeptOutcomes` are in memory. In a durable flow the checkpoint partition has them;
 * in memory are those that it does not have as an outcome: not yet stored, or of a trace that failed, is parked or has
 * unread results.
 */
export class KeptOutcomes {
  readonly #engine: KeptOutcomesHost;
  /** Outcomes by tenant and id, oldest first. */
  readonly #kept = new Map<string, KeptOutcome>();
  /** Ids that are being looked up, with their waiting callers. */
  readonly #lookups = new Map<string, Lookup>();
  /** Lookups of the next read. */
  readonly #asked: Lookup[] = [];
  #closed: Error | undefined;
  #hasWarned = false;

  constructor(engine: KeptOutcomesHost) {
    this.#engine = engine;
  }

  /** Number of outcomes in memory. */
  get size(): number {
    return this.#kept.size;
  }

  /** Returns the trace in flight that was accepted, or is about to be, for an id. */
  inFlight(tenant: string, id: string): Trace | undefined {
    const { traces } = this.#engine;
    if (!traces.has(id)) return undefined;
    return traces.find(id, tenant).find((trace) => trace.isOpen && trace.extras?.given !== undefined);
  }

  /** Returns the outcome of an id that is in memory. */
  find(tenant: string, traceId: string): KeptOutcome | undefined {
    const key = keyOf({ tenant, traceId });
    const kept = this.#kept.get(key);
    if (kept === undefined || !this.#isExpired(kept)) return kept;
    this.#kept.delete(key);
    return undefined;
  }

  /** Whether an id's trace is in flight or its outcome is in memory. */
  isKnown(tenant: string, traceId: string): boolean {
    return this.inFlight(tenant, traceId) !== undefined || this.find(tenant, traceId) !== undefined;
  }

  /**
   * Resolves with the stored outcome of an id. Concurrent callers of one id share one read: the first to continue may
   * begin a trace, which the others then find in flight.
   */
  stored(tenant: string, traceId: string): Promise<KeptOutcome | undefined> {
    if (this.#engine.durable === undefined) return Promise.resolve(undefined);
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    const key = { tenant, traceId };
    let lookup = this.#lookups.get(keyOf(key));
    if (lookup === undefined) {
      lookup = { key, ...Promise.withResolvers<KeptOutcome | undefined>() };
      this.#lookups.set(keyOf(key), lookup);
      void this.#lookUp(lookup, this.#engine.durable);
    }
    return lookup.promise;
  }

  /** Loads the trace of an id, and answers at once if it is in flight: it may leave memory again soon. */
  async #lookUp(lookup: Lookup, durable: DurableRun): Promise<void> {
    const { key, resolve, reject } = lookup;
    if (durable.unloaded > 0) {
      try {
        await durable.load(key);
      } catch (error) {
        if (this.#isPending(lookup)) this.#lookups.delete(keyOf(key));
        reject(error);
      }
      if (!this.#isPending(lookup)) return;
      if (this.isKnown(key.tenant, key.traceId)) {
        this.#lookups.delete(keyOf(key));
        resolve(undefined);
        return;
      }
    }
    // one read for all ids of this turn
    if (this.#asked.push(lookup) === 1) queueMicrotask(() => void this.#read());
  }

  async #read(): Promise<void> {
    const { durable } = this.#engine;
    const asked = this.#asked.splice(0);
    const found = new Map<string, KeptOutcome | UnreadableOutcome>();
    let failure: unknown;
    try {
      for (const kept of (await durable?.keptOutcomes(asked.map(({ key }) => key))) ?? []) {
        const before = found.get(keyOf(kept));
        if (!this.#isExpired(kept) && (before === undefined || before.run < kept.run)) found.set(keyOf(kept), kept);
      }
    } catch (error) {
      failure = error;
    }
    for (const lookup of asked) {
      if (!this.#isPending(lookup)) continue;
      const { key, stored, resolve, reject } = lookup;
      this.#lookups.delete(keyOf(key));
      const kept = stored ?? found.get(keyOf(key));
      if (failure !== undefined) reject(failure);
      else if (kept !== undefined && "error" in kept) reject(kept.error);
      else resolve(kept);
    }
  }

  #isPending(lookup: Lookup): boolean {
    return this.#lookups.get(keyOf(lookup.key)) === lookup;
  }

  /** Keeps the outcome of a trace that ends, unless no edge had accepted its message. */
  ended(trace: Trace, given: GivenId, outcome: FinalOutcome): void {
    if (given.pending !== undefined && !trace.wasEntered) return;
    // a durable trace continues in the next run
    if (outcome.status === "stopped") return;
    const end = { outcome, expiresAt: this.#engine.clock.epochNow() + given.keepMs };
    given.end = end;
    const { tenant, id, run, isOpenEnded } = trace;
    const known = { tenant, traceId: id, run, digest: given.digest, isOpenEnded, ...end };
    this.keep(this.#engine.durable === undefined ? known : { ...known, trace });
  }

  /** Keeps an outcome in memory. Without durability the oldest ones are evicted. */
  keep(kept: KeptOutcome): void {
    this.#kept.delete(keyOf(kept));
    this.#kept.set(keyOf(kept), kept);
    const { durable, options } = this.#engine;
    if (durable !== undefined) return;
    for (const [key, oldest] of this.#kept) {
      const isExpired = this.#isExpired(oldest);
      if (!isExpired && this.#kept.size <= options.limits.maxKeptOutcomes) return;
      this.#kept.delete(key);
      if (!isExpired) this.#warn(oldest);
    }
  }

  /** Removes the outcome of a run from memory: it is stored, its trace is retried, or it is discarded. */
  release({ tenant, traceId }: TraceKey, run: number): void {
    const key = keyOf({ tenant, traceId });
    const kept = this.#kept.get(key);
    if (kept?.run !== run) return;
    this.#kept.delete(key);
    const lookup = this.#lookups.get(key);
    if (lookup !== undefined) lookup.stored = kept;
  }

  /** Removes the outcome of an id from memory. Returns whether there was one. */
  discard(key: TraceKey): boolean {
    const kept = this.find(key.tenant, key.traceId);
    if (kept === undefined) return false;
    this.#kept.delete(keyOf(key));
    if (kept.trace !== undefined) {
      kept.trace.more.given = undefined;
      this.#engine.durable?.changed(kept.trace);
    }
    return true;
  }

  /** Rejects pending lookups. */
  close(failure: Error): void {
    this.#closed = failure;
    for (const { reject } of this.#lookups.values()) reject(failure);
    this.#lookups.clear();
    this.#kept.clear();
  }

  #isExpired({ expiresAt }: Pick<KeptEnd, "expiresAt">): boolean {
    return expiresAt <= this.#engine.clock.epochNow();
  }

  #warn({ tenant, traceId }: KeptOutcome): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    const { name, logger, limits } = this.#engine.options;
    logger.warn("kept_outcomes_full", { flow: name, tenant, traceId, maxKeptOutcomes: limits.maxKeptOutcomes });
  }
}

interface Lookup extends PromiseWithResolvers<KeptOutcome | undefined> {
  readonly key: TraceKey;
  /** Outcome that was stored while the store was read, which may have missed it. */
  stored?: KeptOutcome;
}

function keyOf({ tenant, traceId }: TraceKey): string {
  return `${tenant.length}:${tenant}${traceId}`;
}
