/** One end of a connection between processes: an IPC channel with advanced serialization, or a message port. */
export interface Channel {
  /** Sends a message to the other end. One to a peer that is gone is dropped. */
  send(message: unknown): void;
  /** Receives the other end's messages until it is disposed. */
  receive(take: (message: unknown) => void): Disposable;
}

/** Names of ports that a client of a channel may call. */
export type PortName = "checkpoints" | "partition" | "lease" | "intake" | "results" | "registry" | "wire" | "figures";

/** A request to the process that has the backend. */
export type Request =
  | {
      readonly kind: "call";
      readonly call: number;
      readonly port: PortName;
      readonly method: string;
      readonly args: readonly unknown[];
      readonly handle?: number | undefined;
    }
  | { readonly kind: "abort"; readonly call: number }
  | { readonly kind: "publish"; readonly subject: string; readonly body: Uint8Array }
  | { readonly kind: "subscribe"; readonly subscription: number; readonly subject: string }
  | { readonly kind: "watch"; readonly call: number; readonly subscription: number; readonly prefix: string }
  | { readonly kind: "unsubscribe"; readonly subscription: number };

/** A reply of that process. */
export type Reply =
  | { readonly kind: "value"; readonly call: number; readonly value: unknown }
  | { readonly kind: "error"; readonly call: number; readonly error: string }
  | { readonly kind: "body"; readonly subscription: number; readonly body: Uint8Array }
  | {
      readonly kind: "change";
      readonly subscription: number;
      readonly key: string;
      readonly value: string | undefined;
    };
