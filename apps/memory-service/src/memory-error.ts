/** Codes of a {@link MemoryError}: stable, safe to switch on. */
export const MemoryErrorCode = {
  /** The input does not fit; `issues` names each place. */
  INVALID: "INVALID",
  /** The principal lacks a scope for the operation. */
  FORBIDDEN: "FORBIDDEN",
  /** No fragment that the principal may act on has the id. */
  NOT_FOUND: "NOT_FOUND",
  /** The fragment's level does not allow the operation. */
  LEVEL_CONFLICT: "LEVEL_CONFLICT",
  /** The idempotency key was used for another request. */
  KEY_REUSED: "KEY_REUSED",
  /** The tenant has as many requests in flight, or as much stored, as it may. */
  TENANT_LIMIT: "TENANT_LIMIT",
  /** The service has as many requests in flight as it takes. */
  OVERLOADED: "OVERLOADED",
  /** The service is shutting down. */
  STOPPED: "STOPPED",
  /** The request took longer than its time limit. */
  DEADLINE: "DEADLINE",
  /** The caller has cancelled the request. */
  CANCELLED: "CANCELLED",
  /** The service failed; `cause` has the reason, for logs alone. */
  INTERNAL: "INTERNAL",
} as const;

/** One of the codes of a {@link MemoryError}. */
export type MemoryErrorCode = (typeof MemoryErrorCode)[keyof typeof MemoryErrorCode];

/** One place of an input that does not fit. */
export interface InputIssue {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** Details of a {@link MemoryError}. */
export interface MemoryErrorInit {
  readonly issues?: readonly InputIssue[] | undefined;
  readonly cause?: unknown;
}

/** A request that was refused or failed. Its message mentions no fragment, text or user. */
export class MemoryError extends Error {
  /** Distinguishes the error in logs. */
  override readonly name = "MemoryError";
  readonly code: MemoryErrorCode;
  /** The places of the input that do not fit; empty for other codes. */
  readonly issues: readonly InputIssue[];
  /** Whether the runtime may repeat the attempt: never, since the same request is refused again. */
  readonly retryable = false;

  constructor(code: MemoryErrorCode, message: string, init: MemoryErrorInit = {}) {
    super(message, init.cause === undefined ? undefined : { cause: init.cause });
    this.code = code;
    this.issues = init.issues ?? [];
  }
}

/** Returns the error for a fragment that is absent, or that the principal may not act on: the same for both. */
export function notFound(): MemoryError {
  return new MemoryError("NOT_FOUND", "No such fragment");
}
