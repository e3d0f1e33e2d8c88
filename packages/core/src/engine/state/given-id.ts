import type { FinalOutcome, StoppedOutcome } from "../../message/outcome.ts";

/**
 * Admission of a trace by an id its caller gave. No other trace of its tenant is accepted for the id while the trace is
 * in flight or its outcome is kept.
 *
 * States: pending (no edge has accepted its message) → accepted → ended → expired. A trace that ends while pending was
 * never accepted, and leaves the id free.
 */
export interface GivenId {
  /** Digest of the input, by which a conflicting one is recognised. */
  readonly digest: string;
  /** Milliseconds from the end of the trace for which its outcome is kept. */
  readonly keepMs: number;
  /** Settles when the edges accept its message; `undefined` from then on. */
  pending: Promise<void> | undefined;
  /** Outcome and its expiry, once the trace has ended. */
  end: KeptEnd | undefined;
}

/** Outcome of a trace with a given id. */
export interface KeptEnd {
  readonly outcome: Exclude<FinalOutcome, StoppedOutcome<unknown>>;
  /** Epoch milliseconds until which it is kept. */
  readonly expiresAt: number;
}
