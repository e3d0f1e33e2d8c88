import type { IncomingMessage, ServerResponse } from "node:http";
import { ApiError } from "./api-error.ts";

/** A request of the API, with the parts of its path. */
export interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** Aborts when the client has gone. */
  readonly gone: AbortSignal;
}

/** Answers a call: returns the value of the response, or has written it itself. */
export type Handler = (call: Call) => unknown;

/** Returned by handlers that write the response themselves. */
export const WRITTEN = Symbol("written");

/** A route: `GET /runs/:flow/:id`. */
export interface Route {
  readonly method: string;
  readonly path: readonly string[];
  /** Whether it changes something, so that a read-only view refuses it. */
  readonly changes: boolean;
  readonly handle: Handler;
}

/** Makes a route of its signature. */
export function route(signature: string, handle: Handler, changes = !signature.startsWith("GET ")): Route {
  const [method = "", path = ""] = signature.split(" ");
  return { method, path: path.split("/").slice(1), changes, handle };
}

/** A route that was found, and the parts of the path. */
export interface Found {
  readonly route: Route;
  readonly params: Readonly<Record<string, string>>;
}

/** The routes of the API. */
export class Router {
  readonly #routes: readonly Route[];

  constructor(routes: readonly Route[]) {
    this.#routes = routes;
  }

  /**
   * Returns the route of a request.
   *
   * @param path - after `/api`, as in the request
   * @throws ApiError `ROUTE_UNKNOWN`, `METHOD_WRONG`
   */
  find(method: string, path: string): Found {
    const parts = path.split("/").slice(1).map(decoded);
    const fitting = this.#routes.flatMap((each) => {
      const params = matched(each.path, parts);
      return params === undefined ? [] : [{ route: each, params }];
    });
    // a name that is written out goes before a parameter
    fitting.sort((one, other) => Object.keys(one.params).length - Object.keys(other.params).length);
    if (fitting.length === 0) throw new ApiError("ROUTE_UNKNOWN", `There is no /api${path}`);
    const found = fitting.find((each) => each.route.method === method);
    if (found !== undefined) return found;
    const methods = fitting.map((each) => each.route.method).join(", ");
    throw new ApiError("METHOD_WRONG", `/api${path} takes ${methods}: got ${method}`);
  }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new ApiError("ROUTE_UNKNOWN", "The path is not encoded as a URL");
  }
}

function matched(path: readonly string[], parts: readonly string[]): Record<string, string> | undefined {
  if (path.length !== parts.length) return undefined;
  const params: Record<string, string> = {};
  for (const [at, name] of path.entries()) {
    if (name.startsWith(":")) params[name.slice(1)] = parts[at]!;
    else if (name !== parts[at]) return undefined;
  }
  return params;
}
