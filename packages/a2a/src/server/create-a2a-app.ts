import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { defaultLogger } from "penguiflow";
import type { A2AServerAdapter } from "./a2a-server-adapter.ts";
import { inBackground, warn } from "./background.ts";
import type { GrpcOptions, GrpcServer } from "./grpc-server.ts";

/** Options of `createA2AApp`. */
export interface A2AAppOptions {
  /** Port to listen on. @defaultValue a free one */
  readonly port?: number;
  /** Host to listen on. @defaultValue `"127.0.0.1"` */
  readonly host?: string;
  /** Time for tasks to end when the app closes, in milliseconds. @defaultValue 10000 */
  readonly drainMs?: number;
  /** Whether SIGTERM and SIGINT close the app. @defaultValue true */
  readonly handleSignals?: boolean;
  /** Options of gRPC, which is served on a port of its own. @defaultValue not served */
  readonly grpc?: GrpcOptions;
}

/**
 * Serves an agent from an HTTP server of its own.
 *
 * States: new → listening (`listen`) → closing → closed (`close`).
 */
export class A2AApp implements AsyncDisposable {
  readonly adapter: A2AServerAdapter;
  readonly #options: A2AAppOptions;
  readonly #server: Server;
  #grpc: GrpcServer | undefined;
  #unanswered = 0;
  /** Whether no answer is in progress any more. */
  #isQuiet = false;
  #closing: Promise<void> | undefined;
  readonly #onSignal = (): void => void inBackground("closing the app", () => this.close());

  /** Internal: call `createA2AApp`. */
  constructor(adapter: A2AServerAdapter, options: A2AAppOptions) {
    this.adapter = adapter;
    this.#options = options;
    const listener = adapter.listener();
    this.#server = createServer((request, response) => {
      this.#unanswered += 1;
      response.once("close", () => {
        this.#unanswered -= 1;
        if (this.#isQuiet) this.#closeConnections();
      });
      listener(request, response);
    });
  }

  /** Starts the flows that are not running, listens, and resolves with the agent's URL. */
  async listen(): Promise<string> {
    const { port = 0, host = "127.0.0.1", handleSignals = true, grpc } = this.#options;
    for (const flow of this.adapter.flows) if (!flow.isRunning) (flow.run as () => unknown).call(flow);
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(port, host, resolve);
    });
    // one connection that cannot be accepted must not end the others
    this.#server.on("error", ({ message }) => warn(defaultLogger, "a2a_server_failed", { error: message }));
    const address = this.#server.address() as AddressInfo;
    const name = address.family === "IPv6" ? `[${address.address}]` : address.address;
    if (this.adapter.url === "") this.adapter.url = `http://${name}:${address.port}`;
    if (grpc !== undefined) this.#grpc = await this.adapter.listenGrpc(host, grpc);
    if (handleSignals) for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, this.#onSignal);
    return this.adapter.url;
  }

  /**
   * Refuses further calls, stops the flows, and resolves when everything is closed. Tasks have `drainMs` to end. Later
   * ones fail with `FLOW_STOPPED`; those of a durable flow continue when it runs again.
   *
   * @throws the error of a flow that could not be stopped; all else is closed
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Closes the app. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.off(signal, this.#onSignal);
    const closed = [
      new Promise<void>((resolve) => this.#server.close(() => resolve())),
      this.#grpc?.close() ?? Promise.resolve(),
    ];
    const { drainMs = 10_000 } = this.#options;
    const stopped = await Promise.allSettled(this.adapter.flows.map((flow) => flow.stop({ drainMs })));
    await this.adapter.quiet();
    this.#isQuiet = true;
    this.#closeConnections();
    // after the grace period unread answers are cut off
    const patience = setTimeout(() => {
      this.#server.closeAllConnections();
      this.#grpc?.closeAllConnections();
    }, 1000);
    await Promise.all(closed);
    clearTimeout(patience);
    for (const result of stopped) if (result.status === "rejected") throw result.reason;
  }

  /** Closes idle keep-alive connections once all answers are sent. */
  #closeConnections(): void {
    if (this.#unanswered === 0) this.#server.closeAllConnections();
  }
}

/**
 * Creates an agent with a server of its own, which runs and stops its flows.
 *
 * @example
 * ```ts
 * await using app = createA2AApp(new A2AServerAdapter(flow, { card }), { port: 8080 });
 * const url = await app.listen();
 * ```
 */
export function createA2AApp(adapter: A2AServerAdapter, options: A2AAppOptions = {}): A2AApp {
  return new A2AApp(adapter, options);
}
