import type { ServerResponse } from "node:http";
import { EventStream } from "../server/event-stream.ts";

/** A stream whose reader can be given everything anew: one that is behind is sent a snapshot once it can take more. */
export class LiveStream<Item extends { readonly type: string }> {
  readonly #stream: EventStream;
  readonly #snapshot: () => Item | undefined;
  #isStale = false;

  /**
   * Opens a stream and sends the snapshot.
   *
   * @param snapshot - `undefined` once there is nothing to be told any more: the stream ends
   */
  constructor(response: ServerResponse, snapshot: () => Item | undefined, onClose: () => void) {
    this.#snapshot = snapshot;
    this.#stream = new EventStream(response, {
      onDrained: () => {
        if (!this.#isStale) return;
        this.#isStale = false;
        this.#sendSnapshot();
      },
      onClose,
    });
    this.#sendSnapshot();
  }

  send(item: Item): void {
    if (this.#isStale || this.#stream.isBehind) this.#isStale = true;
    else this.#stream.send(item);
  }

  /** Sends everything anew. */
  renew(): void {
    if (this.#stream.isBehind) this.#isStale = true;
    else this.#sendSnapshot();
  }

  close(): void {
    this.#stream.close();
  }

  #sendSnapshot(): void {
    const item = this.#snapshot();
    if (item === undefined) this.#stream.close();
    else this.#stream.send(item);
  }
}
