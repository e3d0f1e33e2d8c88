// Serves `/v1/answers` by HTTP: the question comes as JSON or in the query, the answer leaves as JSON or as server-sent
// events.
import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import {
  type FinalAnswer,
  formatSseEvent,
  type KeepAlive,
  keepAlive,
  type StreamItem,
  type TraceStream,
} from "penguiflow";
import type { Asked } from "./flow.ts";
import { expiring, paced } from "./paced.ts";
import { type Parts, requireRoute, ROUTE } from "./parts.ts";
import { Refusal, refusalOf, wrong } from "./problem.ts";

/** The caller of a request. */
interface Client {
  readonly tenant: string;
  readonly traceId: string;
  /** Aborts when the client disconnects. */
  readonly left: AbortSignal;
}

/** A question with its time limit. */
interface Request extends Client {
  readonly question: Asked;
  readonly timeoutMs: number;
  /** Aborts when the client disconnects, or when a slow reader's time is up. */
  readonly over: AbortSignal;
}

/** Answers one request of any kind. Never rejects. */
export async function answerHttp(parts: Parts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const startedAt = performance.now();
  const traceId = randomUUID();
  const left = new AbortController();
  const { method = "" } = request;
  let route: string | undefined;
  let tenant: string | undefined;
  let code: string | undefined;
  response.on("close", () => {
    left.abort("The client went away");
    const status = response.writableFinished ? response.statusCode : 499;
    parts.telemetry.served({ method, route, status, startedAt, traceId, tenant, code });
  });
  response.setHeader("trace-id", traceId);
  try {
    const url = requireRoute(request);
    route = ROUTE;
    tenant = parts.door.authenticate(request);
    const who = { tenant, traceId, left: left.signal };
    await parts.door.admit(tenant, () => answer(parts, who, url, request, response));
  } catch (error) {
    if (request.socket.destroyed) return;
    const refusal = refusalOf(error);
    code = refusal.problem.code;
    refuse(response, refusal, traceId, parts.door.isDraining);
  }
}

async function answer(
  parts: Parts,
  client: Client,
  url: URL,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { REQUEST_TIMEOUT_MS, MAX_BODY_BYTES } = parts.config;
  const timeoutMs = timeoutOf(request, REQUEST_TIMEOUT_MS);
  using over = expiring(client.left, timeoutMs);
  const question = (await questionOf(request, url, MAX_BODY_BYTES)) as Asked;
  const asked = { ...client, question, timeoutMs, over: over.signal };
  const { accept, "last-event-id": lastEventId } = request.headers;
  if (!accept?.includes("text/event-stream")) await sendAnswer(parts, asked, request, response);
  // an EventSource reconnects after its stream ends; 204 tells it to stop
  else if (lastEventId !== undefined) response.writeHead(204).end();
  else await streamAnswer(parts, asked, response);
}

async function sendAnswer(
  { flow, replies, door }: Parts,
  { question, tenant, traceId, timeoutMs, left, over }: Request,
  { headers }: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const options = { tenant, traceId, timeoutMs };
  const key = headers["idempotency-key"];
  const reply =
    typeof key === "string"
      ? // goes on when the client has left: it will be back for the answer
        await replies.once(tenant, key, question, () => resultOf(flow.stream(question, options)))
      : await resultOf(flow.stream(question, { ...options, signal: left }));
  if (door.isDraining) response.setHeader("connection", "close");
  response.setHeader("content-type", "application/json");
  await paced((taken) => response.end(JSON.stringify(reply), taken), over);
}

/** Reads the result from the stream, because a rejected question must not be reported as a failure of a node. */
async function resultOf(stream: TraceStream<StreamItem<FinalAnswer>>): Promise<FinalAnswer> {
  await stream.accepted();
  let result: FinalAnswer | undefined;
  for await (const item of stream) if (item.type === "result") ({ result } = item);
  // a stream without a result throws
  return result as FinalAnswer;
}

async function streamAnswer(
  { flow, door, config }: Parts,
  { question, tenant, traceId, timeoutMs, left, over }: Request,
  response: ServerResponse,
): Promise<void> {
  if (door.isDraining) response.setHeader("connection", "close");
  const stream = flow.stream(question, { tenant, traceId, timeoutMs, signal: left });
  await stream.accepted();
  for await (const item of keepAlive(stream, { afterMs: config.KEEP_ALIVE_MS })) {
    // sent with the first item or the first silence, so that an earlier failure can still set the status
    if (!response.headersSent)
      response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    await paced((taken) => response.write(eventOf(item), taken), over);
  }
  await paced((taken) => response.end(taken), over);
}

function eventOf(item: StreamItem<FinalAnswer> | KeepAlive): string {
  if (item.type === "chunk") return formatSseEvent(item.chunk, { event: "chunk" });
  if (item.type === "result") return `event: result\ndata: ${JSON.stringify(item.result)}\n\n`;
  return ": keep-alive\n\n";
}

/** Sends the reason why there is no answer, or no more of it. */
function refuse(response: ServerResponse, { problem, headers }: Refusal, traceId: string, isDraining: boolean): void {
  const body = JSON.stringify({ ...problem, traceId });
  if (response.headersSent) {
    // a client that does not read would not read this either
    if (response.writableEnded || response.writableLength > 0) response.destroy();
    else response.end(`event: failed\ndata: ${body}\n\n`);
    return;
  }
  // closing discards the rest of an unwanted body
  if (isDraining || problem.status === 413) response.setHeader("connection", "close");
  response.writeHead(problem.status, { ...headers, "content-type": "application/problem+json" }).end(body);
}

/** Returns the service's limit, or the client's when that is shorter. */
function timeoutOf({ headers }: IncomingMessage, most: number): number {
  const name = "request-timeout-ms";
  const timeoutMs = Number(headers[name] ?? most);
  if (Number.isInteger(timeoutMs) && timeoutMs >= 1 && timeoutMs <= most) return timeoutMs;
  throw wrong([{ path: name, message: `Must be a whole number from 1 to ${most}` }]);
}

async function questionOf(request: IncomingMessage, { searchParams }: URL, mostBytes: number): Promise<unknown> {
  if (request.method === "POST") return readJson(request, mostBytes);
  if (request.method !== "GET")
    throw new Refusal(405, "METHOD_NOT_ALLOWED", "Use GET or POST", { headers: { allow: "GET, POST" } });
  const { limit, ...rest } = Object.fromEntries(searchParams);
  return limit === undefined ? rest : { ...rest, limit: Number(limit) };
}

async function readJson(request: IncomingMessage, mostBytes: number): Promise<unknown> {
  if (!/^application\/json\s*(?:;|$)/i.test(request.headers["content-type"] ?? ""))
    throw new Refusal(415, "NOT_JSON", "Send the question as application/json");
  const tooLarge = () => new Refusal(413, "TOO_LARGE", `The body exceeds ${mostBytes} bytes`);
  if (Number(request.headers["content-length"]) > mostBytes) throw tooLarge();
  const parts: Buffer[] = [];
  let bytes = 0;
  // leaving the loop must not destroy the connection, which carries the refusal
  for await (const part of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > mostBytes) throw tooLarge();
    parts.push(part);
  }
  try {
    return JSON.parse(Buffer.concat(parts).toString());
  } catch {
    throw new Refusal(400, "NOT_JSON", "The body is not JSON");
  }
}
