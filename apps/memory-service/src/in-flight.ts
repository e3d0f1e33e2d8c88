import { MemoryError } from "./memory-error.ts";

/** Counts requests in flight, of each tenant and of all, and refuses those beyond the limits. */
export class InFlight {
  readonly #perTenant: number;
  readonly #ofAll: number;
  readonly #counts = new Map<string, number>();
  #total = 0;
  #idle: (() => void) | undefined;

  constructor(perTenant: number, ofAll: number) {
    this.#perTenant = perTenant;
    this.#ofAll = ofAll;
  }

  /**
   * Runs a request and counts it meanwhile.
   *
   * @throws MemoryError `TENANT_LIMIT`, `OVERLOADED`
   */
  async run<Value>(tenant: string, work: () => Promise<Value>): Promise<Value> {
    const count = this.#counts.get(tenant) ?? 0;
    if (count >= this.#perTenant)
      throw new MemoryError("TENANT_LIMIT", `The tenant has ${count} requests in flight, as many as it may`);
    if (this.#total >= this.#ofAll) throw new MemoryError("OVERLOADED", "The service has too many requests in flight");
    this.#counts.set(tenant, count + 1);
    this.#total += 1;
    try {
      return await work();
    } finally {
      this.#total -= 1;
      const left = (this.#counts.get(tenant) ?? 1) - 1;
      if (left === 0) this.#counts.delete(tenant);
      else this.#counts.set(tenant, left);
      if (this.#total === 0) this.#idle?.();
    }
  }

  /** Resolves once no request is in flight. */
  async idle(): Promise<void> {
    if (this.#total === 0) return;
    await new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
  }
}
