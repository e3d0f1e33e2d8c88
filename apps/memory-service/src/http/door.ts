import { timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Memory } from "../memory.ts";
import type { MemoryHandle } from "../memory-handle.ts";
import { NAME_PATTERN, type Principal } from "../principal.ts";
import { digest } from "../text/digest.ts";
import { Refused } from "./problem.ts";

/** Local names, which pages of other sites cannot take. */
const LOCAL_NAMES: ReadonlySet<string> = new Set(["127.0.0.1", "localhost", "[::1]"]);

/** Access without keys, on this machine alone. */
export interface LocalAccess {
  /** Secret of this start. */
  readonly token: string;
  /** The principal it proves; a request may name another user of the tenant. */
  readonly principal: Principal;
}

/** Proves whose memory a request works on: by its key, or on this machine alone by the token of this start. */
export class Door {
  readonly #memory: Memory;
  readonly #local: LocalAccess | undefined;

  /** @param local - absent where callers have keys */
  constructor(memory: Memory, local: LocalAccess | undefined) {
    this.#memory = memory;
    this.#local = local;
  }

  /**
   * Returns the memory of the request's principal.
   *
   * @throws Refused when it is not proven
   */
  async open(request: IncomingMessage): Promise<MemoryHandle> {
    const { authorization = "", "memory-user": named } = request.headers;
    const [, secret] = /^Bearer ([^ ]+)$/i.exec(authorization) ?? [];
    if (this.#local !== undefined) {
      const { token, principal } = this.#local;
      requireLocal(request);
      if (secret === undefined || !isSame(secret, token)) throw unproven();
      return this.#memory.as({ ...principal, user: userOf(named) ?? principal.user });
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
