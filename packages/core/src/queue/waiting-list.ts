/** Something that can stand in a {@link WaitingList}. It stands in at most one. */
export interface Waiting {
  nextWaiting: this | null;
  prevWaiting: this | null;
  /** The list it stands in. */
  list: WaitingList<this> | null;
}

/** Those who wait for room, first come first served; anyone may leave at any time at no cost to the rest. */
export class WaitingList<Entry extends Waiting> {
  head: Entry | null = null;
  #tail: Entry | null = null;
  size = 0;

  push(entry: Entry): void {
    entry.list = this;
    entry.prevWaiting = this.#tail;
    entry.nextWaiting = null;
    if (this.#tail === null) this.head = entry;
    else this.#tail.nextWaiting = entry;
    this.#tail = entry;
    this.size += 1;
  }

  shift(): Entry | null {
    const first = this.head;
    if (first !== null) this.remove(first);
    return first;
  }

  /** Takes `entry` out. Harmless when it does not stand here. */
  remove(entry: Entry): void {
    if (entry.list !== this) return;
    if (entry.prevWaiting === null) this.head = entry.nextWaiting;
    else entry.prevWaiting.nextWaiting = entry.nextWaiting;
    if (entry.nextWaiting === null) this.#tail = entry.prevWaiting;
    else entry.nextWaiting.prevWaiting = entry.prevWaiting;
    entry.nextWaiting = entry.prevWaiting = null;
    entry.list = null;
    this.size -= 1;
  }
}
