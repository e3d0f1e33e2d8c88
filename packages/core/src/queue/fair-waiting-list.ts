import { type Waiting, WaitingList } from "./waiting-list.ts";

/** Those who wait for room, first come first served within a tenant; tenants take turns. */
export class FairWaitingList<Entry extends Waiting & { readonly tenant: string }> {
  size = 0;
  /** In the order in which tenants have their turn. */
  readonly #lists = new Map<string, WaitingList<Entry>>();

  push(entry: Entry): void {
    let list = this.#lists.get(entry.tenant);
    if (list === undefined) {
      list = new WaitingList();
      this.#lists.set(entry.tenant, list);
    }
    list.push(entry);
    this.size += 1;
  }

  shift(): Entry | null {
    const next = this.#lists.entries().next().value;
    if (next === undefined) return null;
    const [tenant, list] = next;
    const entry = list.shift();
    this.size -= 1;
    const isAlone = this.#lists.size === 1;
    if (list.size === 0 || !isAlone) this.#lists.delete(tenant);
    if (list.size > 0 && !isAlone) this.#lists.set(tenant, list);
    return entry;
  }

  /** Takes `entry` out. Harmless when it does not stand here. */
  remove(entry: Entry): void {
    const list = this.#lists.get(entry.tenant);
    if (list === undefined || entry.list !== list) return;
    list.remove(entry);
    this.size -= 1;
    if (list.size === 0) this.#lists.delete(entry.tenant);
  }
}
