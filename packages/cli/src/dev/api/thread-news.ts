/** Tells the pages of a thread that it has another turn. */
export class ThreadNews {
  readonly #listeners = new Map<string, Set<() => void>>();

  tell(thread: string): void {
    for (const listener of this.#listeners.get(thread) ?? []) listener();
  }

  listen(thread: string, listener: () => void): () => void {
    const listeners = this.#listeners.get(thread) ?? new Set();
    this.#listeners.set(thread, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#listeners.delete(thread);
    };
  }
}
