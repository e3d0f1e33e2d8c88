import { MemoryError, type MemoryErrorCode } from "../memory-error.ts";

const STATUS: Readonly<Record<MemoryErrorCode, number>> = {
  INVALID: 400,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  LEVEL_CONFLICT: 409,
  KEY_REUSED: 422,
  TENANT_LIMIT: 429,
  OVERLOADED: 503,
  STOPPED: 503,
  DEADLINE: 504,
  CANCELLED: 499,
  INTERNAL: 500,
};

/** Codes of refusals before the memory is asked, with their status. */
const REFUSED = {
  UNAUTHENTICATED: 401,
  HOST_FOREIGN: 421,
  ORIGIN_FOREIGN: 403,
  ROUTE_UNKNOWN: 404,
  METHOD_NOT_ALLOWED: 405,
  BODY_TOO_LARGE: 413,
  CONTENT_TYPE_WRONG: 415,
} as const;

/** A request that is refused before the memory is asked. */
export class Refused extends Error {
  override readonly name = "Refused";
  readonly code: keyof typeof REFUSED;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: keyof typeof REFUSED, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.code = code;
    this.headers = headers;
  }
}

/** An error as it is answered. */
export interface Problem {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Body of type application/problem+json, see RFC 9457. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** Returns what a client is told of an error: of one of the service itself the code alone. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Refused) {
    const { code, message, headers } = error;
    return { status: REFUSED[code], headers, body: { title: message, status: REFUSED[code], code } };
  }
  const { code, message, issues } =
    error instanceof MemoryError ? error : new MemoryError("INTERNAL", "The service failed", { cause: error });
  const status = STATUS[code];
  const isLater = status === 429 || status === 503;
  return {
    status,
    headers: isLater ? { "retry-after": "1" } : {},
    body: {
      title: code === "INTERNAL" ? "The service failed" : message,
      status,
      code,
      ...(issues.length > 0 && { issues }),
    },
  };
}
