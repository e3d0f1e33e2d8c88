import { FlowError, FlowErrorCode } from "../foundation/flow-error.ts";

/** Creates the error for a writer that is rejected while another's claim is valid. */
export function journalOwned(claim: {
  readonly partition: string;
  readonly owner: string;
  /** Milliseconds until the claim expires. */
  readonly endsInMs: number;
}): FlowError {
  const { partition, owner, endsInMs } = claim;
  return new FlowError({
    code: FlowErrorCode.JOURNAL_OWNED,
    message: `Cannot open partition "${partition}" of the journal: "${owner}" writes it; stop it, or wait until its claim ends, in ${Math.ceil(endsInMs)} ms unless it is renewed`,
    retryable: true,
    details: { partition, owner, endsInMs },
  });
}

/** Creates the error for a writer that has been superseded. */
export function journalFenced(partition: string, why: string): FlowError {
  return new FlowError({
    code: FlowErrorCode.JOURNAL_FENCED,
    message: `Cannot write partition "${partition}" of the journal any more: ${why}`,
    details: { partition },
  });
}
