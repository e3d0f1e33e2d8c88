import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import { UnsupportedOperationError } from "@a2a-js/sdk/errors";
import { ServerCallContext, type ServerCallContextBuilder, type User } from "@a2a-js/sdk/server";

/**
 * The connection a call came on. The SDK neither notices when its client leaves nor waits for a client that reads
 * slowly; whoever answers through it can.
 */
export class Connection {
  readonly user: User;
  readonly #response: ServerResponse;
  readonly #gone = new AbortController();

  constructor(response: ServerResponse, user: User) {
    this.user = user;
    this.#response = response;
    response.once("close", () => {
      if (!response.writableFinished) this.#gone.abort(new Error("The client has closed the connection"));
    });
  }

  /** Aborts when the client leaves before it has its answer. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** Resolves when the client has taken what was written, or has left. */
  async ready(): Promise<void> {
    const response = this.#response;
    if (!response.writableNeedDrain || this.gone.aborted) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        response.off("drain", done);
        response.off("close", done);
        resolve();
      };
      response.on("drain", done);
      response.on("close", done);
    });
  }
}

const KEY = "penguiflow.connection";

type ContextOptions = Parameters<ServerCallContextBuilder>[0];

/** The context of a call, with the connection it came on. */
export class CallContext extends ServerCallContext {
  readonly #mayUse: (user: User | undefined, tenant: string) => boolean;

  /** @throws UnsupportedOperationError when the call names a tenant that its user may not call for */
  constructor(
    { headers, extensions, user, requestedVersion, tenant }: ContextOptions,
    connection: Connection | undefined,
    mayUse: (user: User | undefined, tenant: string) => boolean,
  ) {
    super({
      ...(extensions === undefined ? {} : { requestedExtensions: extensions }),
      ...(user === undefined ? {} : { user }),
      ...(requestedVersion === undefined ? {} : { requestedVersion }),
      state: new Map<string, unknown>([
        ["headers", headers],
        [KEY, connection],
      ]),
    });
    this.#mayUse = mayUse;
    if (tenant !== undefined) this.setTenant(tenant);
  }

  override setTenant(tenant: string): void {
    if (!this.#mayUse(this.user, tenant))
      throw new UnsupportedOperationError(`This user may not call for tenant "${tenant}"`);
    super.setTenant(tenant);
  }
}

/** The connection of a call; calls from inside the process have none. */
export function connectionOf(context: ServerCallContext): Connection | undefined {
  return context.state.get(KEY) as Connection | undefined;
}

/** A header of the request that a call came with. */
export function headerOf(context: ServerCallContext, name: string): string | undefined {
  const value = (context.state.get("headers") as IncomingHttpHeaders | undefined)?.[name];
  return typeof value === "string" ? value : undefined;
}
