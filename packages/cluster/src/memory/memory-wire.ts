import type { Wire } from "penguiflow/adapter";

type Receive = (body: Uint8Array) => void;

/** A wire within this process. Subscribers receive in a later turn than the publisher's. */
export class MemoryWire implements Wire {
  readonly #subscribers = new Map<string, Set<Receive>>();

  publish(subject: string, body: Uint8Array): void {
    const subscribers = this.#subscribers.get(subject);
    if (subscribers === undefined) return;
    for (const receive of subscribers)
      queueMicrotask(() => {
        if (subscribers.has(receive)) receive(body);
      });
  }

  subscribe(subject: string, receive: Receive): Disposable {
    const subscribers = this.#subscribers.get(subject) ?? new Set();
    this.#subscribers.set(subject, subscribers);
    // a subscriber of its own, so that one function may subscribe twice
    const own: Receive = (body) => receive(body);
    subscribers.add(own);
    return {
      [Symbol.dispose]: () => {
        subscribers.delete(own);
        if (subscribers.size === 0 && this.#subscribers.get(subject) === subscribers) this.#subscribers.delete(subject);
      },
    };
  }
}
