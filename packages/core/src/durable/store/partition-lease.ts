import { errorPayload, FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import type { Timer } from "../../foundation/timer-wheel.ts";
import type { CheckpointPartition } from "../../ports/checkpoint-store.ts";
import type { Lease } from "../../engine/durability.ts";
import type { DurableHost } from "../../engine/durable-host.ts";
import type { ResolvedDurableOptions } from "../durable-options.ts";
import { Patience, PatientPartition, Unanswered } from "./patient-partition.ts";
import { thisProcess } from "../this-process.ts";

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

/**
 * Interval for checking whether another process renews its lease, in milliseconds; then the difference by which the
 * clocks may drift apart meanwhile.
 */
const LEASE_LOOK_MS = 250;
const LEASE_TOLERANCE_MS = 50;

/** The partition of a durable run and its lease: acquires it, renews it, and holds back handlers while it is overdue. */
export class PartitionLease implements Lease {
  readonly #run: PartitionLeaseHost;
  #partition: CheckpointPartition | undefined;
  /** The clock's `now()` at which the lease ends. */
  #endsAt = Number.NEGATIVE_INFINITY;
  #renewal: Timer | undefined;
  #renewing: Promise<void> | undefined;
  /** Renewal of a lease that is overdue, for which handlers wait. */
  #overdue: { readonly renewed: Promise<void>; readonly release: () => void; retry: Timer | undefined } | undefined;

  constructor(run: PartitionLeaseHost) {
    this.#run = run;
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
    return this.#endsAt;
  }

  /**
   * Acquires the partition. Waits for the lease of a dead process to expire; rejects when the other one keeps renewing
   * it. Each of the partition's calls is given up when it is not answered for as long as the lease lasts.
   */
  async acquire(): Promise<CheckpointPartition> {
    const { engine } = this.#run;
    const { clock, options, timers } = engine;
    const { checkpoints, partition = options.name, owner, leaseMs } = this.#run.options;
    const patience = new Patience(timers, leaseMs);
    let knownEnd = Number.POSITIVE_INFINITY;
    for (;;) {
      const askedAt = clock.now();
      let opening: Promise<CheckpointPartition> | undefined;
      const open = (): Promise<CheckpointPartition> => (opening = checkpoints.open({ partition, owner, leaseMs }));
      try {
        const opened = await patience.wait("a request for the partition", open);
        this.confirm(askedAt);
        return new PatientPartition(opened, patience);
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

  /** Holds an acquired partition from now on, and renews its lease. */
  hold(partition: CheckpointPartition): void {
    this.#partition = partition;
    this.#renewEvery(this.#run.options.leaseMs / 3);
  }

  /** Notes that a lease was stored that was requested at `askedAt`, and lets handlers that waited for it start. */
  confirm(askedAt: number): void {
    const { engine, options: own } = this.#run;
    this.#endsAt = Math.max(this.#endsAt, askedAt + own.leaseMs);
    const { clock, options } = engine;
    if (this.#overdue === undefined || clock.now() >= this.#endsAt) return;
    const { release, retry } = this.#overdue;
    retry?.cancel();
    this.#overdue = undefined;
    options.logger.info("lease_renewed", { flow: options.name, partition: own.partition ?? options.name });
    release();
  }

  renewedLease(): Promise<void> {
    if (this.#overdue === undefined) {
      const { engine, options: own } = this.#run;
      const { clock, options } = engine;
      const overdueMs = clock.now() - this.#endsAt;
      const partition = own.partition ?? options.name;
      options.logger.warn("lease_overdue", { flow: options.name, partition, overdueMs });
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#overdue = { renewed: promise, release: resolve, retry: undefined };
      void this.#renewOverdue();
    }
    return this.#overdue.renewed;
  }

  /** Ends the renewals, and releases the partition if it is held. */
  close(): Promise<void> {
    this.#renewal?.cancel();
    return this.release(this.#partition);
  }

  /** Releases an acquired partition. */
  async release(partition: CheckpointPartition | undefined): Promise<void> {
    try {
      await partition?.close();
    } catch (error) {
      this.#warn("checkpoints_close_failed", error);
    }
  }

  #renewEvery(ms: number): void {
    this.#renewal = this.#run.engine.timers.after(ms, () => {
      void this.#renew();
      this.#renewEvery(ms);
    });
  }

  /** Renews the lease, one request at a time. */
  #renew(): Promise<void> {
    this.#renewing ??= this.#requestRenewal().finally(() => (this.#renewing = undefined));
    return this.#renewing;
  }

  /** Renews the lease. Rejects when that fails, and loses the partition when another process has it. */
  async confirmNow(): Promise<void> {
    const askedAt = this.#run.engine.clock.now();
    try {
      await this.#partition?.renew();
    } catch (error) {
      if (hasCode(error, FlowErrorCode.PARTITION_FENCED)) this.#run.lose(error);
      throw error;
    }
    this.confirm(askedAt);
  }

  async #requestRenewal(): Promise<void> {
    try {
      await this.confirmNow();
    } catch (error) {
      // the lease is still valid for a while, or no handler starts
      if (!hasCode(error, FlowErrorCode.PARTITION_FENCED)) this.#warn("lease_renewal_failed", error);
      return;
    }
    // not awaited: a checkpoint store that does not answer it must not delay the next renewal
    this.#run.leaseRenewed().catch((error: unknown) => this.#warn("expired_outcomes_kept", error));
  }

  /** Renews an overdue lease, again and again until that succeeds or the run ends. */
  async #renewOverdue(): Promise<void> {
    await this.#renew();
    if (this.#overdue === undefined || this.#run.isOver) return;
    this.#overdue.retry = this.#run.engine.timers.after(LEASE_LOOK_MS, () => void this.#renewOverdue());
  }

  #warn(event: string, error: unknown): void {
    const { name, logger } = this.#run.engine.options;
    logger.warn(event, { flow: name, error: errorPayload(error) });
  }
}

/** Rewrites the refusal of a partition; when this very process owns it, the error names the flow at fault. */
function orOwnedHere(error: FlowError): FlowError {
  const { details } = error;
  if (details?.["owner"] !== thisProcess()) return error;
  return new FlowError({
    code: FlowErrorCode.PARTITION_LEASED,
    message: `Cannot open partition "${String(details["partition"])}" of the checkpoint store: another flow of this process holds it, such as one from before a module reload; stop that flow first, or use another partition`,
    retryable: true,
    details,
    cause: error,
  });
}

/** Whether a thrown value is a FlowError with a given code. */
export function hasCode(thrown: unknown, code: FlowErrorCode): thrown is FlowError {
  try {
    return thrown instanceof FlowError && thrown.code === code;
  } catch {
    // a revoked proxy
    return false;
  }
}
