import type { ApiErrorCode, ApiProblem } from "../protocol.ts";

/** A request that the server refused, or that did not reach it. */
export class ApiFailure extends Error {
  override readonly name = "ApiFailure";
  readonly code: ApiErrorCode | "UNREACHABLE";
  /** HTTP status; 0 when no answer came. */
  readonly status: number;
  readonly details: unknown;

  constructor(code: ApiErrorCode | "UNREACHABLE", message: string, status: number, details?: unknown) {
    super(message);
    this.code = code;
    this.status = status;
    this.details = details;
  }

  /** Reads the body of an answer that is no success; a body of another shape becomes `INTERNAL`. */
  static from(status: number, body: unknown): ApiFailure {
    const error = isProblem(body) ? body.error : undefined;
    if (error === undefined) return new ApiFailure("INTERNAL", `The server answered with status ${status}`, status);
    return new ApiFailure(error.code, error.message, status, error.details);
  }
}

function isProblem(body: unknown): body is ApiProblem {
  if (typeof body !== "object" || body === null || !("error" in body)) return false;
  const { error } = body;
  return typeof error === "object" && error !== null && "message" in error && typeof error.message === "string";
}

/** Returns a sentence to show for an error of any kind. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
