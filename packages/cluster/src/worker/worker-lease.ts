import { keepLease, type KeptLease } from "penguiflow/durable";
import type { WorkerSettings } from "./settings.ts";

/**
 * The lease that all partitions of a worker share. When another worker has taken one of them, the lease has ended with
 * all of them, and the next partition is opened under a new one.
 */
export class WorkerLease implements AsyncDisposable {
  readonly #settings: WorkerSettings;
  #current: Promise<KeptLease> | undefined;

  constructor(settings: WorkerSettings) {
    this.#settings = settings;
  }

  /** Returns the lease: a new one when there is none, or the former has ended. */
  async get(): Promise<KeptLease> {
    const asked = this.#current;
    const lease = await (this.#current ??= this.#request());
    if (!lease.ended.aborted) return lease;
    // another caller may have replaced it meanwhile
    if (this.#current === asked) this.#current = undefined;
    await lease[Symbol.asyncDispose]();
    return await this.get();
  }

  /** Releases the lease. */
  async [Symbol.asyncDispose](): Promise<void> {
    const lease = await this.#current?.catch(() => undefined);
    await lease?.[Symbol.asyncDispose]();
  }

  #request(): Promise<KeptLease> {
    const { backend, leaseMs, logger, machine, member } = this.#settings;
    const request = keepLease({
      checkpoints: backend.checkpoints,
      owner: member,
      leaseMs,
      clock: machine.clock,
      logger,
    });
    request.catch(() => {
      if (this.#current === request) this.#current = undefined;
    });
    return request;
  }
}
