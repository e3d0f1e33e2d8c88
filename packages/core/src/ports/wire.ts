/** Publishes messages to the subscribers of a subject, as well as it can: a message may be lost. */
export interface Wire {
  /** Publishes a message. Returns at once. */
  publish(subject: string, body: Uint8Array): void;
  /** Calls `receive`, which must not throw, with the messages of a subject, in the order of each publisher, until it is disposed. */
  subscribe(subject: string, receive: (body: Uint8Array) => void): Disposable;
}
