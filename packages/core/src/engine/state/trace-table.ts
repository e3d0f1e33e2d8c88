import { FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import type { IdSource } from "../../foundation/ids.ts";
import type { Trace } from "./trace.ts";

/**
 * The traces of a running flow by business id. Several may share one: each caller has its own.
 *
 * A hash table chained through the traces themselves. A `Map` is not used: with entries that come and go
 * by the million it rebuilds itself every few dozen insertions, and what it leaves behind keeps ended
 * traces alive until the next full garbage collection, at half the throughput of the whole runtime.
 */
export class TraceTable {
  readonly #ids: IdSource;
  #chains: (Trace | null)[] = new Array<Trace | null>(256).fill(null);
  /** Traces that are open or unwinding. */
  size = 0;

  /** @param ids - gives the ids of most traces; these are told apart by their numbers */
  constructor(ids: IdSource) {
    this.#ids = ids;
  }

  /** @param idNumber - the number of the trace's id, where it is known */
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

  /** Whether there is a trace of that id, of whichever tenant. */
  has(id: string): boolean {
    for (let trace = this.#first(id); trace !== null; trace = trace.nextInTable) if (trace.id === id) return true;
    return false;
  }

  /**
   * The traces of that id, newest first.
   *
   * @throws FlowError `TENANT_REQUIRED` when several tenants use the id and none is named
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
    return found;
  }

  /** All traces, as they are now. */
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
    return this.#ids.numberOf(id) ?? fnv(id);
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

/** FNV-1a (Fowler, Noll, Vo) over the characters of an id. */
function fnv(id: string): number {
  let state = 0x811c9dc5;
  for (let index = 0; index < id.length; index += 1) state = Math.imul(state ^ id.charCodeAt(index), 0x01000193);
  return state ^ (state >>> 15);
}
