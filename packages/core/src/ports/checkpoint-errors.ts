import { FlowError, FlowErrorCode } from "../foundation/flow-error.ts";

/** Creates the error for a writer that is rejected while another's lease is valid. */
export function partitionLeased(lease: {
  readonly partition: string;
  readonly owner: string;
  /** Milliseconds until the lease expires. */
  readonly endsInMs: number;
}): FlowError {
  const { partition, owner, endsInMs } = lease;
  return new FlowError({
    code: FlowErrorCode.PARTITION_LEASED,
    message: `Cannot open partition "${partition}" of the checkpoint store: "${owner}" writes it; stop it, or wait until its lease ends, in ${Math.ceil(endsInMs)} ms unless it is renewed`,
    retryable: true,
    details: { partition, owner, endsInMs },
  });
}

/** Creates the error for a process whose shared lease has ended. */
export function sharedLeaseEnded(owner: string, why: string): FlowError {
  return new FlowError({
    code: FlowErrorCode.PARTITION_FENCED,
    message: `Cannot write the partitions of "${owner}" in the checkpoint store any more: their shared lease has ended, since ${why}`,
    details: { owner },
  });
}

/** Creates the error for a writer that has been superseded. */
export function partitionFenced(partition: string, why: string): FlowError {
  return new FlowError({
    code: FlowErrorCode.PARTITION_FENCED,
    message: `Cannot write partition "${partition}" of the checkpoint store any more: ${why}`,
    details: { partition },
  });
}
