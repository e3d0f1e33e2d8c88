import type { Unread } from "./rookery.ts";

/** Unread items in order of arrival, as a whole and by trace id. */
export class UnreadResults {
  readonly #all = new Set<Unread>();
  readonly #byId = new Map<string, Unread[]>();

  get size(): number {
    return this.#all.size;
  }

  /** Returns the items of one trace id, or all items. */
  of(traceId: string | undefined): Iterable<Unread> {
    return traceId === undefined ? this.#all : (this.#byId.get(traceId) ?? []);
  }

  add(unread: Unread): void {
    const traceId = idOf(unread);
    const own = this.#byId.get(traceId);
    if (own === undefined) this.#byId.set(traceId, [unread]);
    else own.push(unread);
    this.#all.add(unread);
  }

  delete(unread: Unread): void {
    if (!this.#all.delete(unread)) return;
    const traceId = idOf(unread);
    const own = this.#byId.get(traceId) as Unread[];
    if (own.length === 1) this.#byId.delete(traceId);
    else own.splice(own.indexOf(unread), 1);
  }

  clear(): void {
    this.#all.clear();
    this.#byId.clear();
  }
}

function idOf({ sink }: Unread): string {
  return sink.trace?.id ?? "";
}
