/** An entry of a {@link WaitingList}. It is in at most one list. */
export interface Waiting {
  nextWaiting: this | null;
  prevWaiting: this | null;
  /** The list that contains the entry. */
  list: WaitingList<this> | null;
}

/** Entries that wait for capacity, in FIFO order; removing any entry takes constant time. */
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

  /** Removes `entry`. Does nothing when it is not in this list. */
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
