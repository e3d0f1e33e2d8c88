import { errorPayload, FlowErrorCode } from "../../foundation/flow-error.ts";
import type { FlowError } from "../../foundation/flow-error.ts";
import type { Timer } from "../../foundation/timer-wheel.ts";
import type { CheckpointPartition } from "../../ports/checkpoint-store.ts";
import type { Lease } from "../../engine/durability.ts";
import type { DurableHost } from "../../engine/durable-host.ts";
import type { ResolvedDurableOptions } from "../durable-options.ts";
import { hasCode, orOwnedHere } from "./lease-errors.ts";
import { Patience, PatientPartition, Unanswered } from "./patient-partition.ts";
import { LEASE_LOOK_MS, Renewals } from "./renewals.ts";

/** Parts of a durable run that {@link PartitionLease} calls. */
export interface PartitionLeaseHost {
  readonly engine: DurableHost;
  readonly options: ResolvedDurableOptions;
  /** Whether the run stores nothing any more. */
  readonly isOver: boolean;
  /** Called when another process has the partition. */
  lose(cause: FlowError): void;
  /** Called when the lease is renewed. */
  leaseRenewed(): Promise<void>;
}

/** Difference by which clocks may drift apart while another process is watched, in milliseconds. */
const LEASE_TOLERANCE_MS = 50;

/**
 * The partition of a durable run and its lease: acquires it, and renews its own lease unless it is under a shared one.
 */
export class PartitionLease implements Lease {
  readonly #run: PartitionLeaseHost;
  readonly #renewals: Renewals;
  #partition: CheckpointPartition | undefined;
  /** Timer of what is due with each renewal, under a shared lease. */
  #tick: Timer | undefined;

  constructor(run: PartitionLeaseHost) {
    this.#run = run;
    const { clock, options, timers } = run.engine;
    const { name, logger } = options;
    const { leaseMs, partition = name } = run.options;
    this.#renewals = new Renewals({
      clock,
      timers,
      logger,
      leaseMs,
      fields: { flow: name, partition },
      get isOver() {
        return run.isOver;
      },
      renew: () => this.#partition?.renew() ?? Promise.resolve(),
      fenced: (error) => run.lose(error),
      renewed: () => this.#renewed(),
    });
  }

  /** Whether the run has its partition. */
  get isHeld(): boolean {
    return this.#partition !== undefined;
  }

  /** The partition, once it is held. */
  get partition(): CheckpointPartition {
    return this.#partition as CheckpointPartition;
  }

  get leaseEndsAt(): number {
    const { engine, options } = this.#run;
    if (options.lease === undefined) return this.#renewals.leaseEndsAt;
    return engine.clock.now() + options.lease.leftMs;
  }

  renewedLease(): Promise<void> {
    return this.#run.options.lease?.renewed() ?? this.#renewals.renewedLease();
  }

  /**
   * Acquires the partition. Waits for the lease of a dead process to expire; rejects when the other one keeps renewing
   * it. Each of the partition's calls is given up when it is not answered for as long as the lease lasts.
   */
  async acquire(): Promise<CheckpointPartition> {
    const { engine } = this.#run;
    const { clock, options, timers } = engine;
    const { checkpoints, partition = options.name, owner, leaseMs, lease } = this.#run.options;
    const patience = new Patience(timers, leaseMs);
    const request = { partition, owner, leaseMs, ...(lease !== undefined && { under: lease.id }) };
    let knownEnd = Number.POSITIVE_INFINITY;
    for (;;) {
      const askedAt = clock.now();
      let opening: Promise<CheckpointPartition> | undefined;
      try {
        const opened = await patience.wait("a request for the partition", () => (opening = checkpoints.open(request)));
        this.confirm(askedAt);
        const acquired = new PatientPartition(opened, patience, () => this.leaseEndsAt > clock.now());
        if (lease !== undefined) await this.#share(acquired);
        return acquired;
      } catch (error) {
        // the lease of a partition that opens later would keep others out
        if (error instanceof Unanswered) opening?.then(async (opened) => await this.release(opened)).catch(() => {});
        if (!hasCode(error, FlowErrorCode.PARTITION_LEASED) || !options.waitsForLease) throw error;
        const endsInMs = Number(error.details?.["endsInMs"]);
        // measured at some instant between question and answer, which may be far apart
        const isAlive = askedAt + endsInMs > knownEnd + LEASE_TOLERANCE_MS;
        if (isAlive || engine.isStopping || !Number.isFinite(endsInMs)) throw orOwnedHere(error);
        if (knownEnd === Number.POSITIVE_INFINITY)
          options.logger.warn("lease_awaited", { flow: options.name, ...error.details });
        knownEnd = Math.min(knownEnd, clock.now() + endsInMs);
        await new Promise<void>((resolve) => timers.after(Math.min(endsInMs + 1, LEASE_LOOK_MS), resolve));
      }
    }
  }

  /** Puts an acquired partition under the shared lease. */
  async #share(partition: CheckpointPartition): Promise<void> {
    try {
      await partition.renew();
    } catch (error) {
      await this.release(partition);
      throw error;
    }
  }

  /** Holds an acquired partition from now on, and renews its lease. */
  hold(partition: CheckpointPartition): void {
    this.#partition = partition;
    const { lease } = this.#run.options;
    if (lease === undefined) {
      this.#renewals.begin();
      return;
    }
    this.#tickOn();
    if (lease.ended.aborted) this.#lose();
    else lease.ended.addEventListener("abort", this.#lose, { once: true });
  }

  /** Notes that a lease of its own was stored that was requested at `askedAt`. */
  confirm(askedAt: number): void {
    if (this.#run.options.lease === undefined) this.#renewals.confirm(askedAt);
  }

  /** Renews the lease. Rejects when that fails, and loses the partition when another process has it. */
  confirmNow(): Promise<void> {
    return this.#run.options.lease?.confirm() ?? this.#renewals.confirmNow();
  }

  /** Ends the renewals, and releases the partition if it is held. */
  close(): Promise<void> {
    this.#renewals.end();
    this.#tick?.cancel();
    this.#run.options.lease?.ended.removeEventListener("abort", this.#lose);
    return this.release(this.#partition);
  }

  /** Releases an acquired partition. */
  async release(partition: CheckpointPartition | undefined): Promise<void> {
    if (partition === undefined) return;
    try {
      await (this.#run.options.lease?.release(partition) ?? partition.close());
    } catch (error) {
      this.#warn("checkpoints_close_failed", error);
    }
  }

  readonly #lose = (): void => {
    const { lease } = this.#run.options;
    this.#run.lose(lease?.ended.reason as FlowError);
  };

  #tickOn(): void {
    const { engine, options } = this.#run;
    this.#tick = engine.timers.after(options.leaseMs / 3, () => {
      this.#renewed();
      this.#tickOn();
    });
  }

  #renewed(): void {
    // not awaited: a checkpoint store that does not answer it must not delay the next renewal
    this.#run.leaseRenewed().catch((error: unknown) => this.#warn("expired_outcomes_kept", error));
  }

  #warn(event: string, error: unknown): void {
    const { name, logger } = this.#run.engine.options;
    logger.warn(event, { flow: name, error: errorPayload(error) });
  }
}
