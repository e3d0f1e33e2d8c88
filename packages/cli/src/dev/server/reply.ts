import type { ServerResponse } from "node:http";
import type { ApiErrorCode, ApiProblem } from "@penguiflow/playground/protocol";
import { ApiError } from "./api-error.ts";

/** Headers of every response. */
export const SAFE_HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};

/** Sends a value as JSON; `undefined` is an empty response. */
export function sendJson(response: ServerResponse, value: unknown, status = value === undefined ? 204 : 200): void {
  response.writeHead(status, { ...SAFE_HEADERS, "cache-control": "no-store", "content-type": "application/json" });
  response.end(value === undefined ? undefined : JSON.stringify(value));
}

/** Sends what went wrong. The text of an unexpected error stays in the log. */
export function sendProblem(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const { status, code, message, details } =
    error instanceof ApiError
      ? error
      : {
          status: 500,
          code: "INTERNAL" as ApiErrorCode,
          message: "The server failed; its log says why",
          details: undefined,
        };
  const problem: ApiProblem = { error: { code, message, ...(details !== undefined && { details }) } };
  if (code === "BODY_TOO_LARGE") response.setHeader("connection", "close");
  sendJson(response, problem, status);
}
