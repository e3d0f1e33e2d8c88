// Admission: authentication and limits. An admitted request counts until its answer is complete.
import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Config } from "./config.ts";
import { draining, Refusal, RETRY } from "./problem.ts";

/** Admits requests. States: open → draining (`close`) → empty, when the last request is done. */
export class Door {
  readonly #config: Config;
  readonly #tenants: ReadonlyMap<string, string>;
  readonly #byTenant = new Map<string, number>();
  readonly #emptied = Promise.withResolvers<void>();
  #isDraining = false;
  #inside = 0;

  constructor(config: Config) {
    this.#config = config;
    this.#tenants = new Map(config.TENANTS.map(({ name, token }) => [digestOf(token), name]));
  }

  /** Number of requests in flight. */
  get inside(): number {
    return this.#inside;
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Authenticates the tenant by its token alone, ignoring any other claim of the request. @throws Refusal */
  authenticate({ headers }: IncomingMessage): string {
    const [, token] = /^Bearer +(\S+)$/i.exec(headers.authorization ?? "") ?? [];
    // looked up by digest, so that the time it takes reveals nothing about the tokens
    const tenant = token === undefined ? undefined : this.#tenants.get(digestOf(token));
    if (tenant !== undefined) return tenant;
    throw new Refusal(401, "UNAUTHENTICATED", "A bearer token is required", {
      headers: { "www-authenticate": "Bearer" },
    });
  }

  /** Runs the work of a request within the limits. @throws Refusal when it exceeds one */
  async admit(tenant: string, work: () => Promise<void>): Promise<void> {
    this.requireOpen();
    const { MAX_REQUESTS, MAX_REQUESTS_PER_TENANT } = this.#config;
    const own = this.#byTenant.get(tenant) ?? 0;
    if (own >= MAX_REQUESTS_PER_TENANT)
      throw new Refusal(429, "TOO_MANY_REQUESTS", "Too many of your requests are in flight", { headers: RETRY });
    if (this.#inside >= MAX_REQUESTS)
      throw new Refusal(503, "OVERLOADED", "Too many requests are in flight", { headers: RETRY });
    this.#byTenant.set(tenant, own + 1);
    this.#inside += 1;
    try {
      await work();
    } finally {
      this.#leave(tenant);
    }
  }

  /** @throws Refusal when the service drains */
  requireOpen(): void {
    if (this.#isDraining) throw draining();
  }

  /** Stops admission. */
  close(): void {
    this.#isDraining = true;
    if (this.#inside === 0) this.#emptied.resolve();
  }

  /** Resolves when admission has stopped and no request is in flight. */
  get emptied(): Promise<void> {
    return this.#emptied.promise;
  }

  #leave(tenant: string): void {
    const own = (this.#byTenant.get(tenant) ?? 0) - 1;
    if (own > 0) this.#byTenant.set(tenant, own);
    else this.#byTenant.delete(tenant);
    this.#inside -= 1;
    if (this.#isDraining && this.#inside === 0) this.#emptied.resolve();
  }
}

function digestOf(token: string): string {
  return createHash("sha256").update(token).digest("base64");
}
