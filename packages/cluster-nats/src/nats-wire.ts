import type { NatsConnection } from "@nats-io/transport-node";
import type { Wire } from "penguiflow/adapter";
import { token } from "./names.ts";

/** Sends messages as core NATS does. */
export class NatsWire implements Wire {
  readonly #connection: NatsConnection;
  readonly #prefix: string;

  constructor(connection: NatsConnection, name: string) {
    this.#connection = connection;
    this.#prefix = `${name}.wire`;
  }

  publish(subject: string, body: Uint8Array): void {
    try {
      this.#connection.publish(`${this.#prefix}.${token(subject)}`, body);
    } catch {
      // too long, or the connection is closed: a message may be lost
    }
  }

  subscribe(subject: string, receive: (body: Uint8Array) => void): Disposable {
    const subscription = this.#connection.subscribe(`${this.#prefix}.${token(subject)}`, {
      callback: (error, { data }) => {
        if (error === null) receive(data);
      },
    });
    return { [Symbol.dispose]: () => subscription.unsubscribe() };
  }
}
