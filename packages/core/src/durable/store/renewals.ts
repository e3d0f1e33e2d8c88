import type { Clock } from "../../foundation/clock.ts";
import { errorPayload, FlowErrorCode } from "../../foundation/flow-error.ts";
import type { FlowError } from "../../foundation/flow-error.ts";
import type { Timer, TimerWheel } from "../../foundation/timer-wheel.ts";
import type { Logger } from "../../events/logger.ts";
import type { Lease } from "../../engine/durability.ts";
import { hasCode } from "./lease-errors.ts";

/** Lease that {@link Renewals} renews. */
export interface RenewedLease {
  readonly clock: Clock;
  readonly timers: Pick<TimerWheel, "after">;
  readonly logger: Logger;
  readonly leaseMs: number;
  /** Fields of each log line. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Whether the lease is needed no longer. */
  readonly isOver: boolean;
  /** Asks the checkpoint store for a renewal. */
  renew(): Promise<void>;
  /** Called when the checkpoint store refuses it for good. */
  fenced(error: FlowError): void;
  /** Called when a periodic renewal has succeeded. */
  renewed(): void;
}

/** Milliseconds after which an overdue lease is asked for again. */
export const LEASE_LOOK_MS = 250;

/** Renews a lease, knows until when it lasts by the clock of this process, and holds back handlers while it is overdue. */
export class Renewals implements Lease {
  readonly #lease: RenewedLease;
  /** The clock's `now()` at which the lease ends. */
  #endsAt = Number.NEGATIVE_INFINITY;
  #next: Timer | undefined;
  #renewing: Promise<void> | undefined;
  /** Renewal of a lease that is overdue, for which handlers wait. */
  #overdue: { readonly renewed: Promise<void>; readonly release: () => void; retry: Timer | undefined } | undefined;

  constructor(lease: RenewedLease) {
    this.#lease = lease;
  }

  get leaseEndsAt(): number {
    return this.#endsAt;
  }

  /** Renews the lease from now on, three times while it lasts. */
  begin(): void {
    this.#next = this.#lease.timers.after(this.#lease.leaseMs / 3, () => {
      void this.#renew();
      this.begin();
    });
  }

  /** Ends the periodic renewals. */
  end(): void {
    this.#next?.cancel();
  }

  /** Notes that a lease was stored that was requested at `askedAt`, and lets handlers that waited for it start. */
  confirm(askedAt: number): void {
    const { clock, fields, leaseMs, logger } = this.#lease;
    this.#endsAt = Math.max(this.#endsAt, askedAt + leaseMs);
    if (this.#overdue === undefined || clock.now() >= this.#endsAt) return;
    const { release, retry } = this.#overdue;
    retry?.cancel();
    this.#overdue = undefined;
    logger.info("lease_renewed", fields);
    release();
  }

  renewedLease(): Promise<void> {
    if (this.#overdue === undefined) {
      const { clock, fields, logger } = this.#lease;
      logger.warn("lease_overdue", { ...fields, overdueMs: clock.now() - this.#endsAt });
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#overdue = { renewed: promise, release: resolve, retry: undefined };
      void this.#renewOverdue();
    }
    return this.#overdue.renewed;
  }

  /** Renews the lease. Rejects when that fails. */
  async confirmNow(): Promise<void> {
    const askedAt = this.#lease.clock.now();
    try {
      await this.#lease.renew();
    } catch (error) {
      if (hasCode(error, FlowErrorCode.PARTITION_FENCED)) this.#lease.fenced(error);
      throw error;
    }
    this.confirm(askedAt);
  }

  /** Renews the lease, one request at a time. */
  #renew(): Promise<void> {
    this.#renewing ??= this.#requestRenewal().finally(() => (this.#renewing = undefined));
    return this.#renewing;
  }

  async #requestRenewal(): Promise<void> {
    const { fields, logger } = this.#lease;
    try {
      await this.confirmNow();
    } catch (error) {
      // the lease is still valid for a while, or no handler starts
      if (!hasCode(error, FlowErrorCode.PARTITION_FENCED))
        logger.warn("lease_renewal_failed", { ...fields, error: errorPayload(error) });
      return;
    }
    this.#lease.renewed();
  }

  /** Renews an overdue lease, again and again until that succeeds or it is over. */
  async #renewOverdue(): Promise<void> {
    await this.#renew();
    if (this.#overdue === undefined || this.#lease.isOver) return;
    this.#overdue.retry = this.#lease.timers.after(LEASE_LOOK_MS, () => void this.#renewOverdue());
  }
}
