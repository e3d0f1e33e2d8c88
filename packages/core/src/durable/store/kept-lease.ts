import { type Clock, systemClock } from "../../foundation/clock.ts";
import { errorPayload } from "../../foundation/flow-error.ts";
import { requireKnownKeys, requireMethods, requireNumber, shown } from "../../foundation/options.ts";
import type { TimerWheel } from "../../foundation/timer-wheel.ts";
import { defaultLogger, type Logger } from "../../events/logger.ts";
import type { CheckpointPartition } from "../../ports/checkpoint-store.ts";
import type { SharedLease, SharingCheckpointStore } from "../../ports/shared-lease.ts";
import { Patience } from "./patient-partition.ts";
import { Renewals } from "./renewals.ts";

/** Options of {@link keepLease}. */
export interface KeepLeaseOptions {
  readonly checkpoints: SharingCheckpointStore;
  /** The name of this process, reported to others that request its partitions. */
  readonly owner: string;
  /** Milliseconds without renewal after which others may take its partitions. */
  readonly leaseMs: number;
  /** Determines when it is renewed and how long it lasts. @defaultValue the machine's clock */
  readonly clock?: Clock | undefined;
  /** @defaultValue the default logger */
  readonly logger?: Logger | undefined;
}

/** Shared lease that this process renews, for the durable runs of its partitions. Made by {@link keepLease}. */
export interface KeptLease extends AsyncDisposable {
  readonly id: string;
  /** Milliseconds for which it still lasts; 0 or less when it is overdue. */
  readonly leftMs: number;
  /** Aborts with the error when another process has taken one of the partitions: none can be written any more. */
  readonly ended: AbortSignal;
  /** Renews an overdue lease at once. Stays pending until that succeeds. */
  renewed(): Promise<void>;
  /**
   * Resolves once a renewal has succeeded that was requested after this call: until then no other process has taken one
   * of the partitions. Calls of the same time share one request.
   *
   * @throws FlowError `PARTITION_FENCED` when it has ended
   */
  confirm(): Promise<void>;
  /**
   * Releases a partition under the lease. Rejects when that fails; it is tried again then for as long as the lease lasts,
   * which would keep others out.
   */
  release(partition: Pick<CheckpointPartition, "close">): Promise<void>;
}

/**
 * Acquires a lease of this process and renews it until it is disposed, which releases the partitions under it. Give it to
 * `durable({ lease })`: then the number of renewals does not depend on the number of partitions.
 *
 * @throws TypeError, RangeError when an option is unknown, of the wrong kind or out of range
 */
export async function keepLease(options: KeepLeaseOptions): Promise<KeptLease> {
  requireKnownKeys("keepLease", options, ["checkpoints", "owner", "leaseMs", "clock", "logger"]);
  requireMethods("checkpoints", options.checkpoints, ["open", "share"]);
  if (typeof options.owner !== "string" || options.owner === "")
    throw new TypeError(`Option "owner" of keepLease must be a non-empty string: got ${shown(options.owner)}`);
  requireNumber("leaseMs", options.leaseMs, 1);
  const { checkpoints, owner, leaseMs, clock = systemClock, logger = defaultLogger } = options;
  const timers: Pick<TimerWheel, "after"> = {
    after: (ms, callback) => ({ cancel: clock.setTimer(callback, ms) }),
  };
  const patience = new Patience(timers, leaseMs);
  const askedAt = clock.now();
  let sharing: Promise<SharedLease> | undefined;
  try {
    const lease = await patience.wait("a request for a lease", () => (sharing = checkpoints.share({ owner, leaseMs })));
    return new RenewedKeptLease(lease, { owner, leaseMs, clock, logger, timers, patience, askedAt });
  } catch (error) {
    // it would stay until it expires
    sharing?.then(async (late) => await late.close()).catch(() => {});
    throw error;
  }
}

interface Setting {
  readonly owner: string;
  readonly leaseMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly timers: Pick<TimerWheel, "after">;
  readonly patience: Patience;
  readonly askedAt: number;
}

class RenewedKeptLease implements KeptLease {
  readonly id: string;
  readonly #lease: SharedLease;
  readonly #setting: Setting;
  readonly #renewals: Renewals;
  readonly #ended = new AbortController();
  /** Partitions whose release has failed. */
  readonly #unreleased = new Set<Pick<CheckpointPartition, "close">>();
  #isClosed = false;
  /** The latest confirmation that was requested, and the one that follows it. */
  #confirmation: Promise<void> | undefined;
  #nextConfirmation: Promise<void> | undefined;

  constructor(lease: SharedLease, setting: Setting) {
    const { owner, leaseMs, clock, logger, timers, patience, askedAt } = setting;
    const isOver = (): boolean => this.#isClosed || this.#ended.signal.aborted;
    this.id = lease.id;
    this.#lease = lease;
    this.#setting = setting;
    this.#renewals = new Renewals({
      clock,
      timers,
      logger,
      leaseMs,
      fields: { owner },
      get isOver() {
        return isOver();
      },
      renew: () => patience.wait("a renewal", () => lease.renew()),
      fenced: (error) => {
        this.#renewals.end();
        this.#ended.abort(error);
      },
      renewed: () => this.#releaseRest(),
    });
    this.#renewals.confirm(askedAt);
    this.#renewals.begin();
  }

  get leftMs(): number {
    return this.#renewals.leaseEndsAt - this.#setting.clock.now();
  }

  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  renewed(): Promise<void> {
    return this.#renewals.renewedLease();
  }

  confirm(): Promise<void> {
    this.#nextConfirmation ??= this.#confirmNext(this.#confirmation);
    return this.#nextConfirmation;
  }

  /** Confirms the lease after an earlier confirmation, which may have been stored before the caller asked. */
  async #confirmNext(before: Promise<void> | undefined): Promise<void> {
    await before?.catch(() => {});
    // callers of the same turn join
    await Promise.resolve();
    this.#nextConfirmation = undefined;
    this.#confirmation = this.#renewals.confirmNow();
    await this.#confirmation;
  }

  async release(partition: Pick<CheckpointPartition, "close">): Promise<void> {
    try {
      await partition.close();
      this.#unreleased.delete(partition);
    } catch (error) {
      this.#unreleased.add(partition);
      throw error;
    }
  }

  #releaseRest(): void {
    for (const partition of this.#unreleased) this.release(partition).catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#renewals.end();
    const { logger, owner, patience } = this.#setting;
    try {
      await patience.wait("its release", () => this.#lease.close());
    } catch (error) {
      logger.warn("checkpoints_close_failed", { owner, error: errorPayload(error) });
    }
  }
}
