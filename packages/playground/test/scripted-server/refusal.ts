import type { ApiErrorCode } from "../../src/protocol.ts";

/** An answer that is no success. */
export class Refusal extends Error {
  readonly code: ApiErrorCode;
  readonly details: unknown;

  constructor(code: ApiErrorCode, message: string, details?: unknown) {
    super(message);
    this.code = code;
    this.details = details;
  }
}
