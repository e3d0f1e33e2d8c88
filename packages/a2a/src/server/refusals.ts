import { STATUS_CODES } from "node:http";
import { RequestMalformedError, toJsonRpcError, toRestErrorBody } from "@a2a-js/sdk/errors";
import type { ErrorRequestHandler, Request, RequestHandler } from "express";
import { requireRestBody, requireRpcParams } from "./request-shapes.ts";

const PARSE_ERROR = -32_700;
const INVALID_REQUEST = -32_600;
const INTERNAL_ERROR = -32_603;

const STATUS_NAMES: Readonly<Record<number, string>> = {
  401: "UNAUTHENTICATED",
  404: "NOT_FOUND",
  500: "INTERNAL",
};

/** Answers unknown paths and methods with 404. */
export const nothingHere: RequestHandler = (_request, _response, next) => next({ status: 404 });

/** Answers HTTP+JSON requests that fail before they reach the SDK. Reveals no internals. */
export const refuseRest: ErrorRequestHandler = (error: unknown, _request, response, next) => {
  if (response.headersSent) return next(error);
  const { status, message } = problemOf(error);
  response.status(status).type("application/a2a+json").json(restRefusal(status, message));
};

/** Answers JSON-RPC requests that fail before they reach the SDK. Reveals no internals. */
export const refuseRpc: ErrorRequestHandler = (error: unknown, _request, response, next) => {
  if (response.headersSent) return next(error);
  const { status, message, isFaultyJson } = problemOf(error);
  const code = isFaultyJson ? PARSE_ERROR : status < 500 ? INVALID_REQUEST : INTERNAL_ERROR;
  response.status(isFaultyJson ? 200 : status).json({ jsonrpc: "2.0", id: null, error: { code, message } });
};

/**
 * Rejects JSON that is no JSON-RPC request; the SDK would call its parameters invalid. Also corrects the SDK's own
 * refusals, whose id is `null` where the request's is 0 or empty.
 */
export const requireRpcRequest: RequestHandler = ({ body }, response, next) => {
  const { jsonrpc, id = null, method } = (body ?? {}) as { readonly [key: string]: unknown };
  const hasId = id === null || typeof id === "string" || Number.isInteger(id);
  if (id === 0 || id === "") {
    const json = response.json.bind(response);
    response.json = (answer: object) => json({ ...answer, id });
  }
  // an absent body was invalid JSON, which the SDK reports
  if (body === undefined || (jsonrpc === "2.0" && hasId && typeof method === "string" && method !== "")) return next();
  const error = { code: INVALID_REQUEST, message: "Cannot read the body: expected a JSON-RPC 2.0 request" };
  response.json({ jsonrpc: "2.0", id: hasId ? id : null, error });
};

/** Rejects parameters that crash the SDK or that it misreads. */
export const requireSoundParams: RequestHandler = ({ body }, response, next) => {
  if (body === undefined) return next();
  const {
    id = null,
    method,
    params,
  } = body as { readonly id?: unknown; readonly method: string; readonly params?: unknown };
  const error = malformed(() => requireRpcParams(method, params));
  if (error === undefined) return next();
  const { code, message, data } = toJsonRpcError(error);
  // version 0.3 has no error details
  response.json({ jsonrpc: "2.0", id, error: method.includes("/") ? { code, message } : { code, message, data } });
};

/** Rejects a body that crashes the SDK or that it misreads. */
export const requireSoundBody: RequestHandler = (request, response, next) => {
  const isLegacy = isLegacyRest(request);
  const error = malformed(() => requireRestBody(request.body, isLegacy));
  if (error === undefined) return next();
  const { code, message } = toJsonRpcError(error);
  if (isLegacy) response.status(400).json({ code, message });
  else response.status(400).type("application/a2a+json").json(toRestErrorBody(error, 400));
};

/** Whether the SDK treats a request as an operation of version 0.3. */
function isLegacyRest({ headers, path }: Request): boolean {
  const version = headers["a2a-version"] ?? "";
  return (version === "" || version === "0.3") && path.startsWith("/v1/");
}

function malformed(check: () => void): RequestMalformedError | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (error instanceof RequestMalformedError) return error;
    throw error;
  }
}

/** Builds the body of an error over HTTP+JSON. */
export function restRefusal(code: number, message: string): object {
  return { error: { code, status: STATUS_NAMES[code] ?? "INVALID_ARGUMENT", message, details: [] } };
}

function problemOf(error: unknown): { status: number; message: string; isFaultyJson: boolean } {
  const { status, type } = error as { readonly status?: unknown; readonly type?: unknown };
  const isTheirs = typeof status === "number" && status >= 400 && status < 500;
  if (!isTheirs) return { status: 500, message: "Internal error", isFaultyJson: false };
  const isFaultyJson = type === "entity.parse.failed";
  return { status, message: isFaultyJson ? "Invalid JSON" : (STATUS_CODES[status] ?? "Refused"), isFaultyJson };
}
