import type { RunAgentInput } from "@ag-ui/core";
import { RunAgentInputSchema } from "@ag-ui/core/schemas";

/** Characters of a thread's or run's id at most: they are kept in ids of traces, events and messages. */
const MAX_ID = 200;
/** Number of problems of a body that are told. */
const MAX_PROBLEMS = 5;

/** Returns the response to a request of another kind than the protocol's. */
export function allowed({ method, headers }: Request): Response | undefined {
  if (method !== "POST") return refusal(405, "METHOD_NOT_ALLOWED", `Cannot ${method}: send a run with POST`);
  const type = headers.get("content-type") ?? "";
  // a page of another origin can send plain text without being asked for its origin
  if (!/^application\/json\s*(;|$)/i.test(type))
    return refusal(415, "CONTENT_TYPE_UNSUPPORTED", `Cannot read "${type}": send application/json`);
  return undefined;
}

/** Reads a run, or returns the response that says what is wrong with it. */
export async function readInput(request: Request, maxBytes: number): Promise<RunAgentInput | Response> {
  const text = await bodyOf(request, maxBytes);
  if (text === undefined) return refusal(413, "BODY_TOO_LARGE", `The body has more than ${maxBytes} bytes`);
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return refusal(400, "INPUT_INVALID", "The body is no JSON");
  }
  const { success, data, error } = RunAgentInputSchema.safeParse(body);
  if (!success) {
    const problems = error.issues.slice(0, MAX_PROBLEMS).map(({ path, message }) => `${path.join(".")}: ${message}`);
    return refusal(400, "INPUT_INVALID", `The body is no RunAgentInput: ${problems.join("; ")}`);
  }
  for (const name of ["threadId", "runId"] as const)
    if (data[name] === "" || data[name].length > MAX_ID)
      return refusal(400, "INPUT_INVALID", `${name} must have 1 to ${MAX_ID} characters: got ${data[name].length}`);
  return data as RunAgentInput;
}

/** Returns the body as text; `undefined` if it is too long. */
async function bodyOf({ body, headers }: Request, maxBytes: number): Promise<string | undefined> {
  if (Number(headers.get("content-length")) > maxBytes) {
    await body?.cancel();
    return undefined;
  }
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength;
    // leaving the loop cancels the body
    if (bytes > maxBytes) return undefined;
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** Adds the headers for pages of other origins that are allowed, and answers their preflight requests. */
export async function crossOrigin(
  request: Request,
  origins: readonly string[],
  serve: (request: Request) => Promise<Response>,
): Promise<Response> {
  const origin = request.headers.get("origin");
  if (origin === null || !origins.includes(origin)) return await serve(request);
  const isPreflight = request.method === "OPTIONS" && request.headers.has("access-control-request-method");
  const response = isPreflight ? new Response(null, { status: 204 }) : await serve(request);
  const headers = new Headers(response.headers);
  headers.set("access-control-allow-origin", origin);
  headers.append("vary", "Origin");
  if (isPreflight) {
    headers.set("access-control-allow-methods", "POST");
    headers.set("access-control-allow-headers", "content-type, authorization");
    headers.set("access-control-max-age", "600");
  }
  return new Response(response.body, { status: response.status, headers });
}

/** Makes a response that refuses a request. */
function refusal(status: number, code: string, message: string): Response {
  return Response.json({ error: { code, message } }, { status });
}
