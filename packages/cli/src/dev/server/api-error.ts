import { API_ERRORS, type ApiErrorCode } from "@penguiflow/playground/protocol";

/** A request that is refused, with the code that the page is told. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly code: ApiErrorCode;
  readonly details: unknown;

  constructor(code: ApiErrorCode, message: string, details?: unknown) {
    super(message);
    this.code = code;
    this.details = details;
  }

  get status(): number {
    return API_ERRORS[this.code];
  }
}
