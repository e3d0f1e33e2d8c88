import type { Json } from "@penguiflow/planner";
import type { Arguments, CheckedArguments } from "./arguments.ts";
import { serialiseBody } from "./body.ts";
import { type ApiDocument, follow, type Operation } from "./document.ts";
import type { FoundOperation } from "./operations.ts";
import type { SignedIn } from "./security.ts";
import { inHeader, inPath, inQuery } from "./serialise.ts";

/** A request without its credentials. */
export interface PlainRequest {
  /** Path with its parameters, relative to the server. */
  readonly path: string;
  /** Encoded pairs. */
  readonly query: readonly string[];
  readonly cookies: readonly string[];
  readonly headers: Headers;
  readonly body: string | Uint8Array<ArrayBuffer> | FormData | undefined;
}

/**
 * Puts arguments into a request.
 *
 * @throws TypeError when an argument cannot be sent: a step upwards in the path, a header with a line break
 */
export function buildRequest(
  document: ApiDocument,
  { path, operation }: FoundOperation,
  plan: Arguments,
  args: CheckedArguments,
): PlainRequest {
  let filled = path;
  const query: string[] = [];
  const cookies: string[] = [];
  const headers = new Headers();
  for (const { argument, parameter, style, isJson } of plan.parameters) {
    const given = args[argument];
    if (given === undefined || given === null) continue;
    const value: Json = isJson ? JSON.stringify(given) : given;
    const { name } = parameter;
    if (parameter.in === "path") filled = filled.replaceAll(`{${name}}`, () => inPath(name, value, style));
    else if (parameter.in === "query") query.push(...inQuery(name, value, style));
    else if (parameter.in === "cookie") cookies.push(...inQuery(name, value, style));
    else setHeader(headers, name, argument, inHeader(value, style));
  }
  requirePath(path, filled);
  const body = args["body"];
  headers.set("accept", acceptOf(document, operation));
  if (body === undefined || plan.body === undefined) return { path: filled, query, cookies, headers, body: undefined };
  const sent = serialiseBody(document, plan.body, body);
  if (sent.contentType !== undefined) headers.set("content-type", sent.contentType);
  return { path: filled, query, cookies, headers, body: sent.body };
}

/** Refuses values that make another path of the template: none at all, or a step upwards. */
function requirePath(template: string, filled: string): void {
  const wanted = template.split("/");
  filled.split("/").forEach((segment, index) => {
    const given = segment.replace(/%2e/gi, ".");
    if (given === "." || given === ".." || (segment === "" && wanted[index] !== ""))
      throw new TypeError(`Cannot fill "${wanted[index]}" of the path with "${given}": expected a name or id`);
  });
}

function setHeader(headers: Headers, name: string, argument: string, value: string): void {
  try {
    headers.set(name, value);
  } catch {
    throw new TypeError(`Cannot send "${argument}" as a header: expected text of Latin-1 without line breaks`);
  }
}

function acceptOf(document: ApiDocument, { responses = {} }: Operation): string {
  const offered = Object.values(responses).flatMap((response) => Object.keys(follow(document, response).content ?? {}));
  return [...new Set([...offered, "application/json", "*/*;q=0.1"])].join(", ");
}

/** Adds credentials and returns the address: path and query below the server's URL. */
export function addressOf(server: string, { path, query }: PlainRequest, signed: SignedIn): URL {
  const pairs = [...query, ...signed.query];
  const url = new URL(server.replace(/\/$/, "") + path + (pairs.length === 0 ? "" : `?${pairs.join("&")}`));
  const { origin } = new URL(server);
  if (url.origin !== origin) throw new TypeError(`Cannot call "${path}": it leads away from ${origin}`);
  return url;
}

/** Adds credentials to the headers, and the cookies of both. */
export function headersOf({ headers, cookies }: PlainRequest, signed: SignedIn): Headers {
  const all = new Headers(headers);
  for (const [name, value] of signed.headers) setHeader(all, name, "credential", value);
  const pairs = [...cookies, ...signed.cookies];
  if (pairs.length > 0) all.set("cookie", pairs.join("; "));
  return all;
}
