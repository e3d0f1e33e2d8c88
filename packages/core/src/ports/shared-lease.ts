import type { CheckpointStore } from "./checkpoint-store.ts";

/** The shared lease that a process asks for. */
export interface SharedLeaseRequest {
  /** The process's name, reported to rejected writers. */
  readonly owner: string;
  /** Milliseconds after the last {@link SharedLease.renew} at which the lease expires. */
  readonly leaseMs: number;
}

/**
 * Lease of a process on all partitions that it puts under it, renewed once for all of them. It ends for good when it is
 * closed, or when another writer finds it expired and opens one of its partitions: the store ends it in the same step, or
 * before. So a renewal that succeeds proves that no other writer has taken one of its partitions.
 */
export interface SharedLease {
  /** The {@link LeaseRequest.under} of its partitions. */
  readonly id: string;
  /**
   * Renews the lease for another `leaseMs`, also after it has expired.
   *
   * @throws FlowError `PARTITION_FENCED` once it has ended
   */
  renew(): Promise<void>;
  /** Ends the lease, which releases its partitions. Idempotent. */
  close(): Promise<void>;
}

/** Checkpoint store for processes with many partitions. */
export interface SharingCheckpointStore extends CheckpointStore {
  /** Creates a lease, under which partitions can be opened. */
  share(request: SharedLeaseRequest): Promise<SharedLease>;
}
