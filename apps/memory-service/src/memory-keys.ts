import { randomBytes } from "node:crypto";
import type { Clock } from "penguiflow";
import { checkPrincipal, type Scope } from "./principal.ts";
import type { ApiKey, Catalog } from "./store/catalog.ts";
import { digest } from "./text/digest.ts";

/** A key to be made. */
export interface NewKey {
  readonly tenant: string;
  /** The user it stands for. @defaultValue a key of the whole tenant, which names a user with each request */
  readonly user?: string | undefined;
  /** @defaultValue `["read", "write", "share"]` */
  readonly scopes?: readonly Scope[] | undefined;
  /** Epoch milliseconds. @defaultValue never */
  readonly expiresAt?: number | undefined;
}

/** Keys by which callers prove a principal. The catalog keeps digests of secrets, never secrets. */
export class MemoryKeys {
  readonly #catalog: Catalog;
  readonly #clock: Clock;

  /** Internal: read `memory.keys`. */
  constructor(catalog: Catalog, clock: Clock) {
    this.#catalog = catalog;
    this.#clock = clock;
  }

  /**
   * Makes a key and returns its secret, which is shown this once.
   *
   * @throws TypeError when tenant, user or scopes do not fit
   */
  async create({ tenant, user, scopes, expiresAt }: NewKey): Promise<string> {
    const checked = checkPrincipal({ tenant, user: user ?? "any", scopes });
    const secret = `pgm_${randomBytes(32).toString("base64url")}`;
    await this.#catalog.addTenant(tenant);
    await this.#catalog.putKey(digest(secret), { tenant, user, scopes: checked.scopes, expiresAt });
    return secret;
  }

  /** Returns what a secret proves; `undefined` when it is unknown, revoked or expired. */
  async verify(secret: string): Promise<ApiKey | undefined> {
    return await this.#catalog.key(digest(secret), this.#clock.epochNow());
  }

  /** Revokes a key by its secret; returns whether there was one. */
  async revoke(secret: string): Promise<boolean> {
    return await this.#catalog.removeKey(digest(secret));
  }
}
