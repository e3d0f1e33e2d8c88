import { type Waiting, WaitingList } from "./waiting-list.ts";

/** Entries that wait for capacity, in FIFO order within a tenant; tenants take turns. */
export class FairWaitingList<Entry extends Waiting & { readonly tenant: string }> {
  size = 0;
  readonly #lines = new Map<string, TenantLine<Entry>>();
  /** The tenants in the order of their turns. */
  readonly #turns = new WaitingList<TenantLine<Entry>>();

  push(entry: Entry): void {
    let line = this.#lines.get(entry.tenant);
    if (line === undefined) {
      line = new TenantLine(entry.tenant);
      this.#lines.set(entry.tenant, line);
      this.#turns.push(line);
    }
    line.push(entry);
    this.size += 1;
  }

  shift(): Entry | null {
    const line = this.#turns.shift();
    if (line === null) return null;
    this.#turns.push(line);
    const entry = line.head as Entry;
    this.remove(entry);
    return entry;
  }

  /** Removes `entry`. Does nothing when it is not in this list. */
  remove(entry: Entry): void {
    const line = this.#lines.get(entry.tenant);
    if (line === undefined || entry.list !== line) return;
    line.remove(entry);
    this.size -= 1;
    if (line.size > 0) return;
    this.#lines.delete(line.tenant);
    this.#turns.remove(line);
  }
}

/** The waiting entries of one tenant. */
class TenantLine<Entry extends Waiting> extends WaitingList<Entry> implements Waiting {
  readonly tenant: string;
  nextWaiting: this | null = null;
  prevWaiting: this | null = null;
  list: WaitingList<this> | null = null;

  constructor(tenant: string) {
    super();
    this.tenant = tenant;
  }
}
