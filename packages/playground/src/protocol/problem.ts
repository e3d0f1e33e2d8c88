/** The body of every answer that is no success. */
export interface ApiProblem {
  readonly error: { readonly code: ApiErrorCode; readonly message: string; readonly details?: unknown };
}

/** Codes of {@link ApiProblem}, each with its HTTP status. */
export const API_ERRORS = {
  INPUT_MALFORMED: 400,
  TOKEN_INVALID: 401,
  FORBIDDEN: 403,
  ORIGIN_FOREIGN: 403,
  READ_ONLY: 403,
  FLOW_UNKNOWN: 404,
  PAUSE_UNKNOWN: 404,
  ROUTE_UNKNOWN: 404,
  RUN_UNKNOWN: 404,
  THREAD_UNKNOWN: 404,
  TOOL_UNKNOWN: 404,
  METHOD_WRONG: 405,
  FILE_EXISTS: 409,
  FLOW_NOT_RUNNING: 409,
  PAUSE_USED: 409,
  RUN_ENDED: 409,
  RUN_NOT_WHOLE: 409,
  RUN_OPEN: 409,
  PAUSE_OPEN: 409,
  PAUSE_EXPIRED: 410,
  SEQ_GONE: 410,
  BODY_TOO_LARGE: 413,
  CONTENT_TYPE_WRONG: 415,
  HOST_FOREIGN: 421,
  INPUT_INVALID: 422,
  RESUME_INVALID: 422,
  WRITES_UNCONFIRMED: 428,
  INTERNAL: 500,
} as const;
/** Code of an {@link ApiProblem}. */
export type ApiErrorCode = keyof typeof API_ERRORS;

/** One page of a list; `next` is the `cursor` of the following page. */
export interface Page<Item> {
  readonly items: readonly Item[];
  readonly next?: string;
}

/** `POST /api/session`: trades the token for the cookie. Answers 204, with a valid cookie also without a token. */
export interface NewSession {
  readonly token?: string;
}
