import { ApiFailure } from "./api-failure.ts";

type Query = Readonly<Record<string, string | number | undefined>>;

/** Reads from the server. */
export async function get<Answer>(route: string, query: Query = {}, signal?: AbortSignal): Promise<Answer> {
  return await request<Answer>("GET", `${route}${queryText(query)}`, undefined, signal);
}

/** Changes something on the server. */
export async function send<Answer>(method: "POST" | "PUT" | "DELETE", route: string, body?: unknown): Promise<Answer> {
  return await request<Answer>(method, route, body, undefined);
}

/** Encodes a part of a route. */
export const part = encodeURIComponent;

/** Builds a query string; parameters without a value are left out. */
export function queryText(query: Query): string {
  const entries = Object.entries(query).flatMap(([name, value]) =>
    value === undefined || value === "" ? [] : [[name, String(value)]],
  );
  return entries.length === 0 ? "" : `?${new URLSearchParams(entries).toString()}`;
}

async function request<Answer>(
  method: string,
  route: string,
  body: unknown,
  signal: AbortSignal | undefined,
): Promise<Answer> {
  const response = await fetch(`/api/${route}`, {
    method,
    headers: body === undefined ? {} : { "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
  }).catch((error: unknown) => {
    if (signal?.aborted === true) throw error;
    throw new ApiFailure("UNREACHABLE", "Cannot reach penguiflow dev: is it running?", 0);
  });
  const text = await response.text();
  if (!response.ok) throw ApiFailure.from(response.status, parsed(text));
  return parsed(text) as Answer;
}

function parsed(text: string): unknown {
  try {
    return text === "" ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}
