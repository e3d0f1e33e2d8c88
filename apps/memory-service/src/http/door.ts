import { timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Memory } from "../memory.ts";
import type { MemoryHandle } from "../memory-handle.ts";
import { NAME_PATTERN } from "../principal.ts";
import { digest } from "../text/digest.ts";
import { Refused } from "./problem.ts";

/** Local names, which pages of other sites cannot take. */
const LOCAL_NAMES: ReadonlySet<string> = new Set(["127.0.0.1", "localhost", "[::1]"]);

/** Proves whose memory a request works on: by its key, or on this machine alone by the token of this start. */
export class Door {
  readonly #memory: Memory;
  readonly #localToken: string | undefined;

  /** @param localToken - secret of a server without keys, whose tenant is `local` */
  constructor(memory: Memory, localToken: string | undefined) {
    this.#memory = memory;
    this.#localToken = localToken;
  }

  /**
   * Returns the memory of the request's principal.
   *
   * @throws Refused when it is not proven
   */
  async open(request: IncomingMessage): Promise<MemoryHandle> {
    const { authorization = "", "memory-user": named } = request.headers;
    const [, secret] = /^Bearer ([^ ]+)$/i.exec(authorization) ?? [];
    if (this.#localToken !== undefined) {
      requireLocal(request);
      if (secret === undefined || !isSame(secret, this.#localToken)) throw unproven();
      return this.#memory.as({ tenant: "local", user: userOf(named) ?? "me" });
    }
    const key = secret === undefined ? undefined : await this.#memory.keys.verify(secret);
    if (key === undefined) throw unproven();
    const { tenant, scopes } = key;
    const user = key.user ?? userOf(named);
    if (user === undefined)
      throw new Refused(
        "UNAUTHENTICATED",
        "A key of a whole tenant needs the header Memory-User: the user it acts for",
      );
    return this.#memory.as({ tenant, user, scopes });
  }
}

function requireLocal({ headers }: IncomingMessage): void {
  const isLocal = (host: string): boolean => LOCAL_NAMES.has(host.replace(/:\d+$/, ""));
  if (!isLocal(headers.host ?? ""))
    throw new Refused("HOST_FOREIGN", "A memory without keys is served to this machine's own names alone");
  const { origin } = headers;
  if (origin !== undefined && !isLocal(origin.replace(/^https?:\/\//, "")))
    throw new Refused("ORIGIN_FOREIGN", "Pages of other sites cannot use a memory without keys");
}

function userOf(named: string | readonly string[] | undefined): string | undefined {
  if (named === undefined) return undefined;
  if (typeof named === "string" && NAME_PATTERN.test(named)) return named;
  throw new Refused("UNAUTHENTICATED", `The header Memory-User must match ${NAME_PATTERN.source}`);
}

function unproven(): Refused {
  return new Refused("UNAUTHENTICATED", "A key is needed: Authorization: Bearer …", { "www-authenticate": "Bearer" });
}

/** Compares secrets in constant time. */
function isSame(one: string, other: string): boolean {
  return timingSafeEqual(Buffer.from(digest(one)), Buffer.from(digest(other)));
}
