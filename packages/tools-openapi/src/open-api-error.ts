/** The fields of an {@link OpenApiError}. */
export interface OpenApiErrorInit {
  readonly message: string;
  readonly status?: number | undefined;
  readonly body?: string | undefined;
  readonly retryable: boolean;
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

/** A call of an API failed: no answer, a status of 300 or more, or an answer that cannot be used. */
export class OpenApiError extends Error {
  override readonly name: string = "OpenApiError";
  /** HTTP status; absent when there was no answer. */
  readonly status: number | undefined;
  /** The first 2000 characters of the answer. */
  readonly body: string | undefined;
  /** Whether the same call may succeed later. */
  readonly retryable: boolean;
  /** Milliseconds to wait before another try, from `Retry-After`. */
  readonly retryAfterMs: number | undefined;

  constructor(init: OpenApiErrorInit) {
    super(init.message, init.cause === undefined ? undefined : { cause: init.cause });
    this.status = init.status;
    this.body = init.body;
    this.retryable = init.retryable;
    this.retryAfterMs = init.retryAfterMs;
  }
}
