import type { EventEmitter } from "node:events";
import type { IncomingHttpHeaders } from "node:http";
import type { Socket } from "node:net";
import { UnsupportedOperationError } from "@a2a-js/sdk/errors";
import { resolveUserScope, ServerCallContext, type ServerCallContextBuilder, type User } from "@a2a-js/sdk/server";
import { withoutPatch } from "./asked-version.ts";

/** Facts about a call before its authentication. */
export interface CallRequest {
  /** Headers; over gRPC, the metadata. */
  readonly headers: IncomingHttpHeaders;
  /** Socket; over HTTP only. */
  readonly socket?: Socket;
}

/** Destination of an answer: an HTTP response or a gRPC call. */
export interface AnswerStream extends EventEmitter {
  readonly writableNeedDrain?: boolean;
}

/**
 * Connection of a call. It adds what the SDK lacks: it detects that the client disconnects, and applies backpressure
 * for a slow client.
 */
export class Connection {
  readonly #stream: AnswerStream;
  readonly #gone = new AbortController();

  constructor(stream: AnswerStream) {
    this.#stream = stream;
    const leave = (): void => this.#gone.abort(new Error("The client closed the connection"));
    // an HTTP response closes; a gRPC call is cancelled
    stream.once("close", leave);
    stream.once("cancelled", leave);
    // without a listener, a broken connection would end the process
    stream.on("error", () => {});
  }

  /** Aborts when the client disconnects, with its answer or without. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** Resolves when the client has consumed the written data, or has disconnected. */
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

/** Authenticated caller. The SDK passes the user of a call into its context, and this class adds the connection. */
export class Caller implements User {
  readonly isAuthenticated: boolean;
  readonly userName: string;
  readonly connection: Connection;

  /** @param userName - `undefined` for an anonymous caller */
  constructor(userName: string | undefined, connection: Connection) {
    this.isAuthenticated = userName !== undefined;
    this.userName = userName ?? "";
    this.connection = connection;
  }
}

type ContextOptions = Parameters<ServerCallContextBuilder>[0];

/** Context of a call whose tenant its user may act for. */
export class CallContext extends ServerCallContext {
  readonly #mayUse: (user: User | undefined, tenant: string) => boolean;

  /** @throws UnsupportedOperationError when the user may not act for the tenant that the call names */
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
    // over gRPC an absent tenant is an empty string
    if (tenant !== "" && !this.#mayUse(this.user, tenant))
      throw new UnsupportedOperationError(`Cannot call for tenant "${tenant}": this user may not act for it`);
    super.setTenant(tenant);
  }
}

/** Returns the connection of a call; calls from inside the process have none. */
export function connectionOf(context: ServerCallContext): Connection | undefined {
  return context.user instanceof Caller ? context.user.connection : undefined;
}

/** Reads a header of the call's request. */
export function headerOf(context: ServerCallContext, name: string): string | undefined {
  const value = (context.state.get("headers") as IncomingHttpHeaders | undefined)?.[name];
  return typeof value === "string" ? value : undefined;
}

/** Computes the scope in which a task is visible: one user of one tenant. */
export function scopeOf(context: ServerCallContext): string {
  return JSON.stringify([context.tenant ?? "", resolveUserScope(context)]);
}
