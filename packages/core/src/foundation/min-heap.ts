/** An entry of a {@link MinHeap}, ordered by `key`, then by `order`, smallest first. */
export interface HeapEntry {
  key: number;
  order: number;
}

/** A binary heap whose entries carry their own keys. */
export class MinHeap<Entry extends HeapEntry> {
  readonly #entries: Entry[] = [];

  get size(): number {
    return this.#entries.length;
  }

  peek(): Entry | undefined {
    return this.#entries[0];
  }

  push(entry: Entry): void {
    this.#entries.push(entry);
    this.#rise(this.#entries.length - 1);
  }

  pop(): Entry | undefined {
    const entries = this.#entries;
    const top = entries[0];
    const last = entries.pop();
    if (entries.length > 0 && last !== undefined) {
      entries[0] = last;
      this.#sink();
    }
    return top;
  }

  /** Restores the order of the heap after the top entry's key has grown. */
  topChanged(): void {
    this.#sink();
  }

  /** Removes `entry` from any position. Cost is linear: for rare removals only. */
  remove(entry: Entry): void {
    const rest = this.#entries.filter((other) => other !== entry);
    this.#entries.length = 0;
    for (const other of rest) this.push(other);
  }

  #rise(from: number): void {
    const entries = this.#entries;
    const entry = entries[from] as Entry;
    let index = from;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = entries[parentIndex] as Entry;
      if (!before(entry, parent)) break;
      entries[index] = parent;
      index = parentIndex;
    }
    entries[index] = entry;
  }

  #sink(): void {
    const entries = this.#entries;
    const entry = entries[0];
    if (entry === undefined) return;
    const size = entries.length;
    let index = 0;
    for (;;) {
      let child = index * 2 + 1;
      if (child >= size) break;
      if (child + 1 < size && before(entries[child + 1] as Entry, entries[child] as Entry)) child += 1;
      if (!before(entries[child] as Entry, entry)) break;
      entries[index] = entries[child] as Entry;
      index = child;
    }
    entries[index] = entry;
  }
}

function before(left: HeapEntry, right: HeapEntry): boolean {
  return left.key < right.key || (left.key === right.key && left.order < right.order);
}
