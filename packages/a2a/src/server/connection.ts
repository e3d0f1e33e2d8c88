import type { EventEmitter } from "node:events";
import type { IncomingHttpHeaders } from "node:http";
import type { Socket } from "node:net";
import { UnsupportedOperationError } from "@a2a-js/sdk/errors";
import { resolveUserScope, ServerCallContext, type ServerCallContextBuilder, type User } from "@a2a-js/sdk/server";
import { withoutPatch } from "./asked-version.ts";

/** What is known of a call before it is let in. */
export interface CallRequest {
  /** Of gRPC: the metadata. */
  readonly headers: IncomingHttpHeaders;
  /** Of HTTP alone. */
  readonly socket?: Socket;
}

/** Where an answer goes: an HTTP response, a gRPC call. */
export interface AnswerStream extends EventEmitter {
  readonly writableNeedDrain?: boolean;
}

/**
 * The connection a call came on. The SDK neither notices when its client leaves nor waits for a client that reads
 * slowly; whoever answers through it can.
 */
export class Connection {
  readonly #stream: AnswerStream;
  readonly #gone = new AbortController();

  constructor(stream: AnswerStream) {
    this.#stream = stream;
    const leave = (): void => this.#gone.abort(new Error("The client has closed the connection"));
    // an HTTP response closes; a gRPC call is cancelled
    stream.once("close", leave);
    stream.once("cancelled", leave);
    // without a listener a connection that breaks would end the process
    stream.on("error", () => {});
  }

  /** Aborts when the client leaves, with its answer or without. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** Resolves when the client has taken what was written, or has left. */
  async ready(): Promise<void> {
    const { gone } = this;
    const stream = this.#stream;
    if (stream.writableNeedDrain !== true || gone.aborted) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        stream.off("drain", done);
        gone.removeEventListener("abort", done);
        resolve();
      };
      stream.on("drain", done);
      gone.addEventListener("abort", done);
    });
  }
}

/** Somebody who calls. The SDK takes the user of a call through to its context, and the connection with it. */
export class Caller implements User {
  readonly isAuthenticated: boolean;
  readonly userName: string;
  readonly connection: Connection;

  /** @param userName - `undefined` for nobody in particular */
  constructor(userName: string | undefined, connection: Connection) {
    this.isAuthenticated = userName !== undefined;
    this.userName = userName ?? "";
    this.connection = connection;
  }
}

type ContextOptions = Parameters<ServerCallContextBuilder>[0];

/** The context of a call, whose tenant is one that its user may call for. */
export class CallContext extends ServerCallContext {
  readonly #mayUse: (user: User | undefined, tenant: string) => boolean;

  /** @throws UnsupportedOperationError when the call names a tenant that its user may not call for */
  constructor(
    { headers, extensions, user, requestedVersion, tenant }: ContextOptions,
    mayUse: (user: User | undefined, tenant: string) => boolean,
  ) {
    super({
      ...(extensions === undefined ? {} : { requestedExtensions: extensions }),
      ...(user === undefined ? {} : { user }),
      ...(requestedVersion === undefined ? {} : { requestedVersion: withoutPatch(requestedVersion) }),
      state: new Map([["headers", headers]]),
    });
    this.#mayUse = mayUse;
    if (tenant !== undefined) this.setTenant(tenant);
  }

  override setTenant(tenant: string): void {
    // over gRPC a call that names none has an empty one
    if (tenant !== "" && !this.#mayUse(this.user, tenant))
      throw new UnsupportedOperationError(`This user may not call for tenant "${tenant}"`);
    super.setTenant(tenant);
  }
}

/** The connection of a call; calls from inside the process have none. */
export function connectionOf(context: ServerCallContext): Connection | undefined {
  return context.user instanceof Caller ? context.user.connection : undefined;
}

/** A header of the request that a call came with. */
export function headerOf(context: ServerCallContext, name: string): string | undefined {
  const value = (context.state.get("headers") as IncomingHttpHeaders | undefined)?.[name];
  return typeof value === "string" ? value : undefined;
}

/** Who may see a task: one user of one tenant. */
export function scopeOf(context: ServerCallContext): string {
  return JSON.stringify([context.tenant ?? "", resolveUserScope(context)]);
}
