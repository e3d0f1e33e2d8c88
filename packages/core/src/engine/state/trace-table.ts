import { fnv1a } from "../../foundation/fnv.ts";
import { FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import type { IdSource } from "../../foundation/ids.ts";
import type { Trace } from "./trace.ts";

/**
 * In-flight traces by business id. Traces may share an id: each caller has its own trace.
 *
 * An intrusive hash table, chained through the traces. A `Map` with millions of short-lived entries rehashes every few
 * dozen insertions. Its old tables keep ended traces alive until the next full garbage collection, which halves the
 * throughput of the runtime.
 */
export class TraceTable {
  readonly #ids: IdSource;
  #chains: (Trace | null)[] = new Array<Trace | null>(256).fill(null);
  /** Number of open and unwinding traces. */
  size = 0;

  /**
   * Creates an empty table.
   *
   * @param ids - source of most trace ids; their numbers serve as hashes
   */
  constructor(ids: IdSource) {
    this.#ids = ids;
  }

  /**
   * Adds a trace.
   *
   * @param idNumber - number of the trace's id, if known
   */
  add(trace: Trace, idNumber?: number): void {
    if (this.size >= this.#chains.length) this.#grow();
    trace.hash = idNumber ?? this.#hash(trace.id);
    this.#insert(trace);
    this.size += 1;
  }

  remove(trace: Trace): void {
    const index = trace.hash & (this.#chains.length - 1);
    let before: Trace | null = null;
    let found = this.#chains[index] ?? null;
    while (found !== null && found !== trace) {
      before = found;
      found = found.nextInTable;
    }
    if (found === null) return;
    if (before === null) this.#chains[index] = trace.nextInTable;
    else before.nextInTable = trace.nextInTable;
    trace.nextInTable = null;
    this.size -= 1;
  }

  /** Whether a trace of that id exists, for any tenant. */
  has(id: string): boolean {
    for (let trace = this.#first(id); trace !== null; trace = trace.nextInTable) if (trace.id === id) return true;
    return false;
  }

  /**
   * Returns the traces of that id, newest first.
   *
   * @throws FlowError `TENANT_REQUIRED` if several tenants use the id and `tenant` is undefined
   */
  find(id: string, tenant: string | undefined): Trace[] {
    const found: Trace[] = [];
    for (let trace = this.#first(id); trace !== null; trace = trace.nextInTable) {
      if (trace.id === id && (tenant === undefined || trace.tenant === tenant)) found.push(trace);
    }
    if (tenant === undefined && found.some((trace) => trace.tenant !== found[0]?.tenant)) {
      throw new FlowError({
        code: FlowErrorCode.TENANT_REQUIRED,
        message: `Cannot tell which trace "${id}" is meant: several tenants use the id; pass { tenant }`,
        traceId: id,
      });
    }
    // a trace that was loaded again is older than its place in the table
    return found.length > 1 ? found.sort((one, other) => other.run - one.run) : found;
  }

  /** Returns a copy of all traces. */
  all(): Trace[] {
    const all: Trace[] = [];
    for (const first of this.#chains)
      for (let trace = first; trace !== null; trace = trace.nextInTable) all.push(trace);
    return all;
  }

  #first(id: string): Trace | null {
    return this.#chains[this.#hash(id) & (this.#chains.length - 1)] ?? null;
  }

  #hash(id: string): number {
    const number = this.#ids.numberOf(id);
    if (number !== undefined) return number;
    const hash = fnv1a(id);
    return hash ^ (hash >>> 15);
  }

  #insert(trace: Trace): void {
    const index = trace.hash & (this.#chains.length - 1);
    trace.nextInTable = this.#chains[index] ?? null;
    this.#chains[index] = trace;
  }

  #grow(): void {
    const traces = this.all().reverse();
    this.#chains = new Array<Trace | null>(this.#chains.length * 4).fill(null);
    for (const trace of traces) this.#insert(trace);
  }
}
